import pytest

from vqzoo import registry


def test_names_come_without_an_import_of_what_they_name(tmp_path, monkeypatch):
    folder = tmp_path / "wells"
    folder.mkdir()
    text = (
        '@named("deep")\ndef make(): ...\n\n\n@registry.named("dry")\ndef dry(): ...\n'
    )
    (folder / "deep.py").write_text("raise RuntimeError\n\n\n" + text)
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    registry._modules.cache_clear()
    assert registry.names("wells") == ("deep", "dry")
    with pytest.raises(ValueError, match="expected one of deep, dry, received 'wet'"):
        registry.find("wells", "wet")
    registry._modules.cache_clear()


def test_a_lazy_module_is_the_module_once_it_is_used():
    lazy = registry.lazily("math")
    assert lazy.sqrt(9) == 3
