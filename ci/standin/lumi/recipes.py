# SPDX-License-Identifier: GPL-2.0-only
"""LUMI's own recipes, as files in recipes/: copied; `.eb.in` files are filled in for every release."""
import shutil

from ..steps import write
from . import tree as where


def write_recipes(folder, releases, contrib=False):
    """Write the recipes of LUMI-SoftwareStack (or of contrib) below a folder, in EasyBuild's letter layout.

    folder: the easyconfigs folder. releases: Release objects; recipes for other releases are left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = {release.name for release in releases}
    source = where.HERE / 'recipes' / ('contrib' if contrib else 'stack')
    for path in sorted(source.glob('*')):
        if path.name.endswith('.eb.in'):
            for release in releases:
                for values in fillings(path.name, release):
                    text = path.read_text()
                    for name, value in values.items():
                        text = text.replace('@%s@' % name, value)
                    suffix = text.split("\nversionsuffix = '")[1].split("'")[0]
                    place(folder, path.name.replace('@RELEASE@.eb.in', release.name + suffix + '.eb'), text)
        elif '-cpe' not in path.stem or path.stem.split('-cpe')[1].split('-')[1] in names:
            place(folder, path.name, path.read_text())
    if not contrib:
        # on LUMI a generator puts the recipes of the toolchains here
        for path in sorted((where.PROJECT / 'easyconfigs/c').glob('cpe*/*.eb')):
            if path.stem.split('-')[1] in names:
                target = folder / 'c' / path.parent.name / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


def fillings(template, release):
    """Return what is filled into a template for a release: a list of {placeholder: value}, one for each recipe."""
    facts = where.facts()
    if template.startswith('buildtools-python'):
        packages = dict(word.split('==') for word in facts['buildtools_python'].get(release.name, []))
        names = {'meson': 'Meson', 'scons': 'SCons', 'wheel': 'wheel'}   # LUMI's module says no more of what it holds
        python = '.'.join(release.version('cray-python').split('.')[:2])
        holds = ', '.join('%r: %r' % (names[name], packages[name]) for name in names if name in packages)
        return [{'RELEASE': release.name, 'PYTHON': python, 'HOLDS': holds}] if packages else []
    return [{'RELEASE': release.name, 'SUFFIX': key[len(release.name):], 'CMAKE': about['cmake']}
            for key, about in facts['buildtools']['versions'].items() if key.startswith(release.name)]


def place(folder, name, text):
    """Write a recipe where EasyBuild looks for it."""
    software = text.split("\nname = '")[1].split("'")[0]
    write(folder / software[0].lower() / software / name, text)
