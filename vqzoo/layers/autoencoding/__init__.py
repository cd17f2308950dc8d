"""Layers of autoencoders: residual blocks, corruption of images, sparse latents."""
