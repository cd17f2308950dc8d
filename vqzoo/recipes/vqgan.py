"""A VQGAN: sharp reconstructions, by a perceptual and an adversarial loss.

    python -m vqzoo.recipes.vqgan
    python -m vqzoo.recipes.vqgan --dataset=folder --data_dir=caltech101_nature.tar

`vqgan_64`, 8 x 8 codes for images of 64 x 64, trained for what a classifier sees and
for what a discriminator takes for real, beside the squared error. The classifier learns
the classes of the data first; data without classes, as faces, take one that is there:
`--classifier=PATH`. The discriminator learns from the first step on and is heard after
a quarter of the run. What this gains and costs is measured by `vqgan_study`.

CIFAR-10: `--dataset=cifar10 --model=vqgan_32`. Images of 128 x 128: `--image_size=128`,
which gives 16 x 16 codes. With the weights of VGG16, `--loss=l1,lpips=1.0,gan=0.5` is
the loss of the paper.

Source: Esser et al. 2021, arXiv 2012.09841. Differs: the perceptual loss is of a small
classifier; the adversarial gradient is weighed at the images; a small network.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="vqgan",
    model="vqgan_64",
    dataset="photos",
    loss=("l2", "perceptual=0.02", "gan=0.3"),
    discriminator_options=("num_channels=32",),
    batch_size=16,
    epochs=10,
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
    warmup_share=0.05,
    augmentation=("flip",),
)

if __name__ == "__main__":
    training.main(RECIPE)
