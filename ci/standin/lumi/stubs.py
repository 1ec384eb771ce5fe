# SPDX-License-Identifier: GPL-2.0-only
"""
LUMI's own recipes as stubs: name, version, suffix, toolchain and dependencies, made from facts.

They are for plans: what LUMI has a recipe of is never derived. They hold no sources and nothing of how LUMI builds
the software, so none of them can be installed.
"""
import json
import os

FACTS = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'recipes-25.03.json')


def facts(path=FACTS):
    """
    What LUMI has recipes of, for one release: {"release", "source", "recipes": [...]}.

    A recipe has name, version, toolchains (the same for each; "system" is none), and where it has them suffix,
    easyblock, dependencies and builddependencies: [name, version, suffix, "system"], or the name of an external
    module. `file` stands where LUMI's file is not called as its parameters say.
    """
    with open(path, encoding='utf-8') as stream:
        return json.load(stream)


def file_name(row, toolchain, release):
    """Name of the file of a recipe for one of its toolchains."""
    middle = '' if toolchain == 'system' else f'-{toolchain}-{release}'
    usual = f"{row['name']}-{row['version']}{middle}{row.get('suffix', '')}.eb"
    return row.get('file', usual).replace('{toolchain}', toolchain)


def stub(row, toolchain, known):
    """Text of the stub of a recipe for one of its toolchains."""
    release = known['release']
    home = 'SYSTEM' if toolchain == 'system' else f"{{'name': {toolchain!r}, 'version': {release!r}}}"
    lines = [f"easyblock = {row.get('easyblock', 'Tarball')!r}", '', f"name = {row['name']!r}",
             f"version = {row['version']!r}", f"versionsuffix = {row.get('suffix', '')!r}", '',
             f"homepage = {known['homepage']!r}",
             f"description = 'A stub: what is known of a recipe of {known['called']}, without how it is built'", '',
             f'toolchain = {home}']
    for parameter in ('builddependencies', 'dependencies'):
        if parameter in row:
            lines += ['', f'{parameter} = [', *(f'    {_dependency(item)},' for item in row[parameter]), ']']
    return '\n'.join([*lines, '', "moduleclass = 'tools'", ''])


def _dependency(item):
    """A dependency as a recipe writes it."""
    if isinstance(item, str):
        return f'({item!r}, EXTERNAL_MODULE)'
    words = [*map(repr, item[:3]), 'SYSTEM'] if len(item) == 4 else [repr(word) for word in item]
    return f"({', '.join(words)})"


def write_stubs(folder, only=None, path=FACTS):
    """
    Write the stubs below a folder, in EasyBuild's letter layout; how many.

    only: names of software; all where there are none.
    """
    known, number = facts(path), 0
    for row in known['recipes']:
        if only and row['name'] not in only:
            continue
        place = os.path.join(folder, row['name'][0].lower(), row['name'])
        os.makedirs(place, exist_ok=True)
        for toolchain in row['toolchains']:
            with open(os.path.join(place, file_name(row, toolchain, known['release'])), 'w',
                      encoding='utf-8') as stream:
                stream.write(stub(row, toolchain, known))
            number += 1
    return number
