"""A local web page to play with the codes of a trained model: `vqzoo app`.

Each tab is a module: functions from arrays to arrays, and below them `build`, which
puts the tab on a `widgets.Page`, with the module gradio that is imported where a page
is built and nowhere else. Where the tab follows the two images, `build` gives
`(function, inputs, outputs)`: what to run when they change.
"""
