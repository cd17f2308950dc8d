"""A prior of films: frames of a folder of GIF and MP4 files, or of moving sprites.

    python -m vqzoo.recipes.video_prior

Needs `--model`, such as a run of `vqzoo train vqvae --model=vqvae_64
--dataset=moving_sprites`. A memory without actions over the latents of any autoencoder:
given the first `--known_frames` of test films it draws the others. The run measures
nats, PSNR and the Frechet distance of pooled pixels 1, 5, 15 and 50 frames ahead, and
leaves a film of both side by side. `--dataset=films --data_dir=FOLDER` takes your own
films.

Source: Yan et al. 2021 (VideoGPT), arXiv 2104.10157. Differs: codes of single frames, a
context that slides.
"""

from vqzoo import training

RECIPE = training.VideoRecipe(
    name="video_prior",
    epochs=10,
    batch_size=16,
    num_frames=10,
    learning_rate=1e-3,
    learning_rate_schedule="cosine",
    warmup_share=0.05,
    clip_norm=1.0,
)

if __name__ == "__main__":
    training.main(RECIPE)
