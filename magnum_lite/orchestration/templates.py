"""A template with everything it needs, as Heat's API wants it: one text and a map of files.

Heat looks up ``type: x.yaml`` and ``get_file: x`` in that map by the literal text. heatclient fills it with
``file:///…`` URLs of the caller's machine, which would put our directories into every tenant's stack; here
each reference is rewritten to its path below the templates' root (``common/node.yaml``). A ``get_file`` that
is no file on disk stays as it is and must come with the request: that is how drivers pass rendered texts.

Heat has no loop over resources. A template's pattern ``x-node-group`` becomes a resource and an output for
each entry of the request's parameter ``node_groups``, by whose name they go; all other keys that begin with
``x-`` only hold what is used elsewhere in the file, and are left out.

Engines share most of a template: ``x-template`` names the file that a template is made of, ``x-words`` what
stands there for ``%word%``; what the template has itself is added, in the place of what has the same name.
"""

import dataclasses
import functools
import json
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from magnum_lite import paths

GROUPS = "node_groups"  # the parameter: resource name -> what the node group is

_NESTED = (".yaml", ".template")
_PATTERN, _GROUP = "x-node-group", "%group%"
_BASE, _WORDS = "x-template", "x-words"


class _Loader(yaml.SafeLoader):
    """YAML as Heat reads it: ``2021-04-16`` is a text, not a date."""


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_str)


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedTemplate:
    """``text`` is JSON (which is YAML), ``files`` the rest from disk, ``expected`` the files that a request
    must bring, ``parameters`` the declarations of the top template, ``pattern`` its node group's, if any.
    """

    text: str
    files: Mapping[str, str]
    expected: frozenset[str]
    parameters: Mapping[str, Any]
    pattern: str = ""


class MissingFiles(LookupError):
    """The request lacks files that its template reads: a mistake of the driver."""


def _references(value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Each mapping and the key in it that names a file."""
    if isinstance(value, dict):
        if isinstance(value.get("get_file"), str):
            yield value, "get_file"
        kind = value.get("type")
        if isinstance(kind, str) and kind.endswith(_NESTED):
            yield value, "type"
        for child in value.values():
            yield from _references(child)
    elif isinstance(value, list):
        for child in value:
            yield from _references(child)


def _over(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """``own`` over ``base``, mapping by mapping."""
    both = [key for key in own if isinstance(own[key], dict) and isinstance(base.get(key), dict)]
    return {**base, **own, **{key: _over(base[key], own[key]) for key in both}}


class Templates:
    """Templates below one directory, read once. ``root`` is the product's own unless a test brings one."""

    def __init__(self, root: Path | None = None) -> None:
        self._root = (root or paths.heat_templates()).resolve()
        self.load = functools.cache(self._load)

    def _load(self, path: str) -> LoadedTemplate:
        """Read ``path`` (relative to the root) and all it refers to. Raises FileNotFoundError."""
        files: dict[str, str] = {}
        expected: set[str] = set()
        top = self._read(path, files, expected)
        pattern = json.dumps(top[_PATTERN]) if _PATTERN in top else ""
        top = {key: value for key, value in top.items() if not key.startswith("x-")}
        return LoadedTemplate(
            json.dumps(top), files, frozenset(expected), top.get("parameters") or {}, pattern
        )

    def text_of(self, path: str, parameters: Mapping[str, Any], description: str = "") -> str:
        """The template ``path`` with a resource and an output for each node group in ``parameters``. Heat
        shows a template's description as its stack's.
        """
        loaded = self.load(path)
        groups = sorted(parameters.get(GROUPS) or ()) if loaded.pattern else []
        if not groups and not description:
            return loaded.text
        document = json.loads(loaded.text)
        document["description"] = description or document.get("description", "")
        for name in groups:
            made = json.loads(loaded.pattern.replace(_GROUP, name))
            document["resources"][name] = made["resource"]
            document["outputs"][name] = made["output"]
        return json.dumps(document)

    def files_of(self, path: str, extra: Mapping[str, str]) -> dict[str, str]:
        """The whole ``files`` map for a stack of template ``path``. Raises `MissingFiles`."""
        loaded = self.load(path)
        if missing := loaded.expected - extra.keys():
            raise MissingFiles(f"{path} needs the files {', '.join(sorted(missing))}")
        return {**loaded.files, **extra}

    def _read(self, path: str, files: dict[str, str], expected: set[str]) -> dict[str, Any]:
        return self._resolved(path, self._document(path, {}), files, expected)

    def _document(self, path: str, words: Mapping[str, Any]) -> dict[str, Any]:
        text = (self._root / path).read_text()
        for word, value in words.items():
            text = text.replace(f"%{word}%", str(value))
        document = yaml.load(text, Loader=_Loader)  # noqa: S506  # nosec B506
        # Anchors make one object of several: rewriting it twice would resolve a path twice.
        document = json.loads(json.dumps(document))
        base = document.pop(_BASE, None)
        if base is None:
            return document
        base = posixpath.normpath(posixpath.join(posixpath.dirname(path), base))
        return _over(self._document(base, document.pop(_WORDS, {})), document)

    def _resolved(
        self, path: str, document: dict[str, Any], files: dict[str, str], expected: set[str]
    ) -> dict[str, Any]:
        for holder, key in _references(document):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), holder[key]))
            if target.startswith("..") or not (self._root / target).is_file():
                if key == "type":
                    raise FileNotFoundError(f"{path} refers to {holder[key]}, which does not exist")
                expected.add(holder[key])
                continue
            holder[key] = target
            if target in files:
                continue
            files[target] = ""  # a template that nests itself must not be read for ever
            is_template = key == "type"
            text = json.dumps(self._read(target, files, expected)) if is_template else ""
            files[target] = text or (self._root / target).read_text()
        return document
