# SPDX-License-Identifier: GPL-2.0-only
"""Finds the recipe again that an adapted one was derived from, by its checksum, and adapts it again."""
import hashlib
import os
from dataclasses import dataclass, replace
from typing import Any, Iterator, Mapping, Optional, Tuple

from ..adapt import ADAPTED, adapt
from ..catalogue import our_recipes
from ..change import Adaptation
from ..errors import LumiHooksError
from ..files import read_text
from ..index import letter_of
from ..prefix import holder
from ..recipe import parse_recipe, read_recipe
from ..render import render
from ..site import Site
from ..store import SOURCE_ENDING, SOURCE_FOLDER, with_checksums

UPSTREAM, LUMI, OURS, USER = 'upstream', 'lumi', 'lumi-hooks', 'user'


@dataclass(frozen=True)
class Origin:
    """A source recipe that was found: its path, its text, and whose it is."""
    path: str
    origin: str
    text: str

    def as_json(self, file: str, sha256: str) -> Mapping[str, Any]:
        """As eb/lifecycle/record.py takes it."""
        return {'file': file, 'sha256': sha256, 'origin': self.origin, 'text': self.text}


def find_source(noted: Mapping[str, Any], name: str, beside: Optional[str], site: Site) -> Optional[Origin]:
    """
    The recipe that an adapted one was derived from, with the very contents that it had then; None where there is none.

    :param noted: what the adapted recipe says about itself (Recipe.record)
    :param name: of the software
    :param beside: a path that it may have as well: of the recipe that was read, or of a copy
    """
    file, sha256 = noted.get('source'), noted.get('sha256')
    if not isinstance(file, str) or not isinstance(sha256, str) or os.path.basename(file) != file:
        return None
    for path, origin in _places(file, name, beside, site):
        try:
            text = read_text(path)
        except OSError:
            continue
        if hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest() == sha256:
            return Origin(path, origin, text)
    return None


def _places(file: str, name: str, beside: Optional[str], site: Site) -> Iterator[Tuple[str, str]]:
    for source in site.index.own_sources(name):
        if os.path.basename(source.path) == file:
            yield source.path, USER if holder(source.path, site.prefixes) else LUMI
    for source in site.index.sources(name):
        if os.path.basename(source.path) == file:
            yield source.path, UPSTREAM
    letter, ours = letter_of(name), our_recipes()
    if ours:
        yield os.path.join(ours, letter, name, file), OURS
    inside = os.path.realpath(site.prefix) + os.sep if site.prefix else None
    for folder in site.index.recipes:
        if inside is None or not os.path.realpath(folder).startswith(inside):
            for place in (os.path.join(folder, letter, name), os.path.join(folder, name), folder):
                yield os.path.join(place, file), LUMI
    if beside:
        yield beside, USER
        for ending in ('', SOURCE_ENDING):
            yield os.path.join(os.path.dirname(beside), SOURCE_FOLDER, file + ending), USER


def adapted_again(text: str, source: Origin, site: Site) -> Optional[Adaptation]:
    """
    The adaptation that made an adapted text, made again; None where the rules make another text of the source today.

    :param text: of the adapted recipe
    """
    try:
        recipe = read_recipe(source.path)
        if source.path.endswith(SOURCE_ENDING):  # kept in the store: an adapted recipe names what it was made of
            recipe = replace(recipe, path=source.path[:-len(SOURCE_ENDING)])
        found = adapt(recipe, site)
        same = found.status == ADAPTED and render(with_checksums(found), parse_recipe) == text
    except LumiHooksError:
        return None
    return found if same else None
