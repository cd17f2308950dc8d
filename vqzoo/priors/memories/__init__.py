"""Memories of world models: what comes next, given frames so far and actions."""
