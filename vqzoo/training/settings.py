"""The settings that every training run has."""

import dataclasses

CHOICES = {
    "learning_rate_schedule": ("constant", "cosine"),
    "strategy": ("auto", "none", "mirrored", "multi_worker"),
    "precision": ("auto", "float32", "mixed_bfloat16"),
}
AT_LEAST = {
    "epochs": 1,
    "batch_size": 1,
    "save_steps": 1,
    "seed": 0,
    "image_size": 0,
    "max_steps_per_epoch": 0,
}
# What a resumed run may change: it says how the run goes, not what it computes.
OPERATIONAL = ("runs_dir", "resume", "save_steps", "tensorboard", "check_numerics")


def setting(default, text):
    """A field of a recipe: its default, and what its flag says in --help."""
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides how any model is trained; each field is a command-line flag.

    Abstract: `Recipe` and `PriorRecipe` add what they train. A recipe is one of these,
    and does not hold one, because its fields are its flags.

    Raises: ValueError: on a value that cannot work, with the name of its flag.
    """

    name: str = setting("run", "name of the recipe and of its folder of runs")
    dataset: str = setting(
        "photos",
        "photos (embedded), sprites (rendered), folder, ffhq, natural_image_net, or a "
        "tensorflow-datasets name such as cifar10 or celeb_a",
    )
    data_dir: str = setting("", "folder or archive of the data, where it needs one")
    classes: tuple[str, ...] = setting(
        (), "only these classes of the data, by name; empty: all"
    )
    epochs: int = setting(10, "passes over the training data")
    max_steps_per_epoch: int = setting(0, "cuts an epoch short; 0: the whole data")
    batch_size: int = setting(32, "images of a step, over all devices")
    learning_rate: float = setting(3e-4, "of Adam")
    learning_rate_schedule: str = setting("constant", "constant, or cosine to zero")
    seed: int = setting(0, "of the weights, the data's order and the noise")
    strategy: str = setting("auto", "auto, none, mirrored or multi_worker")
    precision: str = setting(
        "auto", "auto, float32 or mixed_bfloat16; auto: bfloat16 where hardware has it"
    )
    runs_dir: str = setting("runs", "where the folders of the runs are made")
    resume: bool = setting(False, "go on with the newest run that is not finished")
    save_steps: int = setting(200, "steps between two saves of the run's state")
    tensorboard: bool = setting(True, "write TensorBoard events")
    check_numerics: bool = setting(
        False, "stop at the first operation that gives NaN or infinity, and name it"
    )
    smoke: bool = setting(False, "shrink every number; to see that all of it runs")

    def __post_init__(self):
        self.expect_each(CHOICES, AT_LEAST)
        self.expect("learning_rate", self.learning_rate > 0, "above 0")
        self.expect("name", self.name and "/" not in self.name, "a folder's name")

    def expect_each(self, choices, at_least):
        """Raises ValueError unless fields are among choices, and of a least value."""
        for name, values in choices.items():
            self.expect(name, getattr(self, name) in values, f"one of {values}")
        for name, least in at_least.items():
            if hasattr(self, name):
                self.expect(name, getattr(self, name) >= least, f"at least {least}")

    def expect(self, name, condition, text):
        """Raises ValueError with the flag and its value unless a condition holds."""
        if not condition:
            value = getattr(self, name)
            raise ValueError(f"expected --{name} to be {text}, received {value!r}")

    def identity(self):
        """The settings that decide what the run computes: a JSON dict."""
        settings = dataclasses.asdict(self)
        return {k: v for k, v in settings.items() if k not in OPERATIONAL}

    def operation(self):
        """What `fitting.fit` takes of the settings that compute nothing."""
        names = ("save_steps", "tensorboard", "check_numerics")
        return {name: getattr(self, name) for name in names}
