"""A VQ-VAE-2 with the noisy codebook assignment.

    python -m vqzoo.recipes.vqvae2_noisy

Two tiers of codes, 8 x 8 and 16 x 16 for the 64 x 64 crops of the embedded photographs.
During training, the chosen code indices are perturbed, the top's more than the
bottom's, and the codes are kept sorted along the main axis of their codebook. Codes
that stand beside each other then mean similar things, and a map of indices looks like
the image.

About 4 minutes on two cores (Intel Xeon, float32); 27.1 dB PSNR on the held-out crops,
one seed. Its card, `recipes/vqvae2_noisy`, is of CIFAR-10.

Any other data: `--dataset=cifar10 --model=vqvae2_32`, or `--dataset=folder
--data_dir=PATH`; `--model=vqvae2_256` is the network of the thesis.

Source: Coppock's thesis, section 3.1 and table 6.2; Razavi et al. 2019, arXiv
1906.00446. Differs: a smaller network and image, so that it trains in minutes on two
cores; a start from data; restarts of dead codes; sorted codes, because the order that
noise finds by itself is local; less noise in the bottom tier; a cosine schedule.
"""

from vqzoo import training

RECIPE = training.Recipe(
    name="vqvae2_noisy",
    model="vqvae2_64",
    dataset="photos",
    noise_stddev=(1.0, 0.2),
    sorted_codes=True,
    epochs=8,
    learning_rate_schedule="cosine",
)

if __name__ == "__main__":
    training.main(RECIPE)
