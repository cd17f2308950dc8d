"""Layers of VQGAN and the tokenizers built like it."""
