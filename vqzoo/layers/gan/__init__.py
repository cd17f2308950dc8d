"""Layers of generative adversarial networks."""
