# SPDX-License-Identifier: GPL-2.0-only
"""Writes recipes and trees of recipes for the unit tests."""
import os

MINIMAL = """easyblock = 'ConfigureMake'

name = {name!r}
version = {version!r}

homepage = 'https://example.org'
description = 'A recipe of the tests.'

toolchain = {{'name': {toolchain[0]!r}, 'version': {toolchain[1]!r}}}
"""


def recipe_text(name='Thing', version='1.0', toolchain=('foss', '2025a'), more=''):
    """The text of a small recipe; `more` is put behind it."""
    return MINIMAL.format(name=name, version=version, toolchain=toolchain) + more


def file_name(name, version, toolchain, suffix=''):
    """File name that EasyBuild gives to a recipe."""
    middle = '' if toolchain[0] == 'system' else '-'.join(('', *toolchain))
    return f'{name}-{version}{middle}{suffix}.eb'


def put_recipe(root, name='Thing', version='1.0', toolchain=('foss', '2025a'), suffix='', more='', flat=False):
    """Write a recipe below a folder (letter/name/, or right into it) and return its path."""
    folder = str(root) if flat else os.path.join(str(root), name[0].lower(), name)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, file_name(name, version, toolchain, suffix))
    if suffix:
        more = f'versionsuffix = {suffix!r}\n' + more
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(recipe_text(name, version, toolchain, more))
    return path


def put_module(root, name, version):
    """Write a module file below a folder and return its path."""
    path = os.path.join(str(root), name, version + '.lua')
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write('-- a module of the tests\n')
    return path
