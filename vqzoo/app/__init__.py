"""A local web page to play with the codes of a trained model: `python -m vqzoo.app`.

Each tab is a module: functions from arrays to arrays, and below them what connects
these to Gradio, which is imported where a page is built and nowhere else.
"""
