"""What the graphs of all signatures share: checks of inputs."""

import tensorflow as tf


def only_if(condition, text, tensor):
    """`tensor` itself, or where it runs an error of `text` unless `condition`."""
    with tf.control_dependencies([tf.debugging.Assert(condition, text)]):
        return tf.identity(tensor)


def check_not_empty(name, tensor):
    """`tensor` itself, or an error where its batch has no rows."""
    # TensorFlow's convolutions fail on an empty batch, with a word about depths.
    text = f"expected a batch of 1 or more {name}, received a batch of 0"
    return only_if(tf.shape(tensor)[0] > 0, [text], tensor)


def check_batch_sizes(tensors):
    """The tensors of a dict as a list, or an error where their batches differ."""
    (first_name, first), *others = tensors.items()
    batch = tf.shape(first)[0]
    checked = [first]
    for name, tensor in others:
        size = tf.shape(tensor)[0]
        text = [f"expected as many {name} as {first_name}, received", size, "and"]
        checked.append(only_if(tf.equal(size, batch), [*text, batch], tensor))
    return checked
