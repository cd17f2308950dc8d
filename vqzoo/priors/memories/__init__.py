"""Memories of world models: the next frame, given earlier frames and actions."""
