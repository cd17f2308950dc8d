"""White pegasuses: a PixelCNN over codes between white birds and white horses.

    python -m vqzoo.recipes.pegasus

The model is one that was trained on all of CIFAR-10 (or, by `--model`, on STL-10). The
whitest birds and horses of its training images are encoded, pairs of them are blended
before quantization, and a PixelCNN, masked A then B, learns the codes of the blends.
What it draws is measured: how white the images are, how near to either set of parents,
and how diverse beside them. `--dataset` and `--data_dir` say where the images are, such
as `--dataset=folder --data_dir=cifar10.tar.xz`.

Whiteness is the mean of the darkest color channel over the central half by half of an
image.

Source: the report on winged horses, section 1.4. Differs: the parents are chosen by a
measure, not by eye.
"""

from vqzoo import training

RECIPE = training.BlendRecipe(
    name="pegasus",
    prior="pixelcnn",
    dataset="cifar10",
    class_conditional=False,
    epochs=20,
    batch_size=64,
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
)

if __name__ == "__main__":
    training.main(RECIPE)
