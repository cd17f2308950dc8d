"""The settings of losses, and the model that is fitted with them."""

import dataclasses
import math

from vqzoo import registry
from vqzoo.registry import lazily, parse_options
from vqzoo.training.settings import Settings, setting

judge = lazily("vqzoo.measures.judge")
keras = lazily("keras")
losses = lazily("vqzoo.losses")
trained = lazily("vqzoo.trained")

GAN = "gan"
LOSSES = (GAN, *registry.names("losses"))
DISCRIMINATORS = registry.names("losses.discriminators")
OF_CLASSIFIER = ("classifier", "perceptual")
CLASSIFIER_STEPS = 400
MAX_CLASSIFIER_IMAGES = 30_000
_OF_GAN = (
    "discriminator",
    "discriminator_options",
    "adversarial_loss",
    "adversarial_start",
    "adversarial_limit",
    "r1_penalty",
    "lecam",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossSettings(Settings):
    """The loss."""

    loss: tuple[str, ...] = setting(
        ("own",),
        f"terms and their weights, such as l2,lpips=1.0,gan=0.1: of {', '.join(LOSSES)}"
        "; own is the model's, the mean square or a likelihood",
    )
    classifier: str = setting(
        "",
        "a .keras file from images to logits, for the terms perceptual and "
        "classifier; empty: train one first, on the classes of the data",
    )
    lpips_backbone: str = setting(
        "",
        "VGG16 weights for lpips: a file of torchvision's weights, or "
        "imagenet (Keras downloads its own)",
    )
    lpips_weights: str = setting(
        "", "linear weights of lpips, vgg.pth; empty: those of the package lpips"
    )
    discriminator: str = setting("patch", "of gan", choices=DISCRIMINATORS)
    discriminator_options: tuple[str, ...] = setting(
        (), "its arguments, name=value, for example num_channels=32"
    )
    adversarial_loss: str = setting(
        "hinge", "of gan", choices=("hinge", "non_saturating")
    )
    adversarial_start: float = setting(
        0.25, "share of the steps in which the discriminator only learns"
    )
    adversarial_limit: float = setting(
        1e4,
        "gan=WEIGHT sets the size of its gradient relative to that of the "
        "other terms; this is the largest factor for that; 0: gan=WEIGHT is "
        "a plain weight",
        at_least=0,
    )
    r1_penalty: float = setting(
        0.0, "weight of the squared gradient of the scores of real images", at_least=0
    )
    lecam: float = setting(
        0.0, "weight of the term that keeps scores near their means", at_least=0
    )
    start_from: str = setting(
        "", "a run or .keras file of the same model: start from its weights"
    )
    only_decoder: bool = setting(
        False, "train only the decoder: the codes stay the same"
    )

    def __post_init__(self):
        super().__post_init__()
        terms = self.terms()
        of_images = set(terms) - {GAN, "classifier"}
        self.expect("loss", of_images, f"terms with one that compares pixels, {_USAGE}")
        share = self.adversarial_start
        text = "a share of the run, in [0, 1): later it would never begin"
        self.expect("adversarial_start", 0 <= share < 1, text)
        uses = dict.fromkeys(_OF_GAN, (GAN,))
        uses |= dict.fromkeys(("lpips_backbone", "lpips_weights"), ("lpips",))
        uses["classifier"] = OF_CLASSIFIER
        for name, users in uses.items():
            used = not set(users).isdisjoint(terms)
            self.expect_unused(name, used, "loss", ", ".join(users))
        self.expect_unused("only_decoder", self.start_from, "start_from", "a model")
        if "lpips" in terms:
            self.expect("lpips_backbone", self.lpips_backbone, "a file, or imagenet")
        parse_options(self.discriminator_options)

    def terms(self):
        """The terms of the loss and their weights: a dict of floats.

        Raises:
            ValueError: if one is unknown, named twice, or has no weight above 0.
        """
        terms = {}
        for text in self.loss:
            name, equals, weight = text.strip().partition("=")
            try:
                weight = float(weight) if equals else 1.0
            except ValueError:
                weight = math.nan
            good = name in LOSSES and name not in terms and 0 < weight < math.inf
            self.expect("loss", good, _USAGE)
            terms[name] = weight
        return terms

    @property
    def is_composed(self):
        """Whether the loss is another than the model's own."""
        return self.terms() != {"own": 1.0}

    @property
    def is_game(self):
        """Whether a discriminator plays against the autoencoder."""
        return GAN in self.terms()

    def model_of(self, fitted):
        """As in `CodingRecipe`."""
        return fitted.autoencoder if self.is_composed else fitted

    def terms_of(self, fitted):
        """What the loss of what is fitted compares images by; None: its model's own."""
        return fitted.terms if self.is_composed else None

    def begin_at(self, model):
        """Gives a new model the weights of `start_from`, and freezes what stays.

        Raises:
            ValueError: if they are those of another model.
        """
        if not self.start_from:
            return
        other = trained.load(self.start_from).model
        if [w.shape for w in other.weights] != [w.shape for w in model.weights]:
            self.expect("start_from", False, f"a model as {model.name}, of its sizes")
        model.set_weights(other.get_weights())
        if self.only_decoder:
            self.expect("only_decoder", model.quantizers, "off: the model has no codes")
            model.freeze_codes()

    def composer(self, model, splits, num_steps):
        """How the model that is fitted is made; what is given is loaded here.

        Args:
            model: the autoencoder.
            splits: `Splits`, of the data.
            num_steps: int, of the run.

        Returns:
            Function from the run to a model: `model` itself, or a
            `losses.ComposedModel` of it.

        Raises:
            ValueError: if the loss does not fit the model or the data, with the name
                of the flag.
        """
        if not self.is_composed:
            return lambda run: model
        terms = self.terms()
        gives_images = model.item == "image"
        self.expect("loss", gives_images, f"own: {model.name} gives no images")
        weight = terms.pop(GAN, None)
        given = self._given_classifier(terms, splits)
        files = {"backbone": self.lpips_backbone, "weights": self.lpips_weights}
        early = {n for n in terms if given or n not in OF_CLASSIFIER}
        sources = losses.Sources(model, lambda: given, files)
        functions = {name: self._function(name, sources) for name in early}

        def compose(run):
            late = losses.Sources(model, lambda: self._own_classifier(splits, run))
            made = {
                name: (terms[name], functions.get(name) or self._function(name, late))
                for name in terms
            }
            adversary = weight and self._adversary(weight, splits, num_steps)
            return losses.ComposedModel(model, made, adversary)

        if weight:
            self._discriminator(splits.image_shape)  # its errors come before the run
        return compose

    def _function(self, name, sources):
        flag = "lpips_backbone" if name == "lpips" else "classifier"
        try:
            return registry.find("losses", name)(sources)
        except (OSError, ValueError) as error:
            raise ValueError(f"--loss={name}, --{flag}: {error}") from error

    def _given_classifier(self, terms, splits):
        if set(terms).isdisjoint(OF_CLASSIFIER):
            return None
        if not self.classifier:
            text = f"a file: {splits.name} has no classes to train a classifier on"
            self.expect("classifier", len(splits.class_names) > 1, text)
            return None
        try:
            return losses.load_classifier(self.classifier, splits.image_shape)
        except (OSError, ValueError) as error:
            raise ValueError(f"--classifier={self.classifier}: {error}") from error

    def _own_classifier(self, splits, run):
        """The classifier of the run: trained once, then read again."""
        path = run.classifier_path
        if path is None or not path.exists():
            images, labels = splits.train.arrays(limit=MAX_CLASSIFIER_IMAGES)
            # Not with the seed of the judge, which measures what came of the run.
            fitted = judge.fit_classifier(
                images,
                labels,
                len(splits.class_names),
                steps=2 if self.smoke else CLASSIFIER_STEPS,
                seed=self.seed + 1000,
            )
            keras.utils.set_random_seed(self.seed)
            if not run.writes:
                return fitted.network
            run.save_model(fitted.network, path.stem)
        return losses.load_classifier(path, splits.image_shape)

    def _discriminator(self, image_shape):
        options = parse_options(self.discriminator_options)
        make = registry.find("losses.discriminators", self.discriminator)
        try:
            return make(image_shape, **options)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"--discriminator={self.discriminator} cannot be made with "
                f"--discriminator_options={','.join(self.discriminator_options)}: "
                f"{error}"
            ) from error

    def _adversary(self, weight, splits, num_steps):
        return losses.Adversary(
            self._discriminator(splits.image_shape),
            weight,
            objective=self.adversarial_loss,
            start=round(self.adversarial_start * num_steps),
            limit=self.adversarial_limit,
            r1_penalty=self.r1_penalty,
            lecam=self.lecam,
        )


_USAGE = (
    f"NAME or NAME=WEIGHT each, a weight above 0, a name once, of {', '.join(LOSSES)}"
)
