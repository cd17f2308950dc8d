"""What the tests of training share."""


def compiled(model, optimizer, loss=None, **options):
    """A model after `compile`, with the variables of its optimizer.

    TensorFlow would trace a first step that makes them twice, which takes longer than
    all the steps of a test.
    """
    model.compile(optimizer, loss, **options)
    model.optimizer.build(model.trainable_variables)
    return model
