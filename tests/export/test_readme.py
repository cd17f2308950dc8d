import json
import pathlib

from vqzoo.export import readme
from vqzoo.serving import MAX_BATCH_SIZE

ARTIFACT = pathlib.Path(__file__).parents[2] / "export" / "vqvae2_noisy"


def test_the_rows_that_a_batching_server_takes_in_a_request_are_said():
    facts = json.loads((ARTIFACT / "manifest.json").read_text())
    text = readme.text("vqvae2_noisy", facts)
    batching = " ".join(text.split("### Many requests at once")[1].split())
    assert f"a request may then have at most {MAX_BATCH_SIZE} rows" in batching.lower()


def test_what_an_artifact_may_be_used_for_is_said_or_said_to_be_unknown():
    assert readme.terms_line("research") == "It may be used for research."
    assert "`--terms`" in readme.terms_line("")
