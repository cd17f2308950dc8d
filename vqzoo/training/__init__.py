"""Training runs: a recipe of each kind, which runs itself, and its command line."""

from vqzoo.registry import on_demand

__all__, __getattr__ = on_demand(
    __name__,
    {
        "BlendRecipe": "kinds.blend.BlendRecipe",
        "ControllerRecipe": "kinds.controller.ControllerRecipe",
        "ExperienceRecipe": "kinds.experience.ExperienceRecipe",
        "GANRecipe": "kinds.gan.GANRecipe",
        "MemoryRecipe": "kinds.memory.MemoryRecipe",
        "PriorRecipe": "kinds.prior.PriorRecipe",
        "Recipe": "kinds.autoencoder.Recipe",
        "RecommenderRecipe": "kinds.recommender.RecommenderRecipe",
        "SequenceRecipe": "kinds.sequences.SequenceRecipe",
        "VectorRecipe": "kinds.vectors.VectorRecipe",
        "VideoRecipe": "kinds.video.VideoRecipe",
        "main": "command.main",
    },
)
