# SPDX-License-Identifier: GPL-2.0-only
"""Recipes of small programs, which take a second to build, and depend on each other as is asked for."""
import hashlib
import io
import tarfile

RECIPE = """easyblock = 'MakeCp'

name = '{name}'
version = '1.0'

homepage = 'https://example.org'
description = 'A small program.'

toolchain = {{'name': 'GCCcore', 'version': '14.2.0'}}

sources = ['{name}-1.0.tar.gz']
checksums = ['{digest}']

dependencies = [{needs}]

buildopts = 'CC="$CC"'
files_to_copy = [(['{lower}'], 'bin')]

sanity_check_paths = {{'files': ['bin/{lower}'], 'dirs': []}}

moduleclass = 'tools'
"""
MAKEFILE = """all: {lower}
{lower}: {lower}.c
\t{before}
\t$(CC) -o $@ {lower}.c
\techo {name} >>{folder}/made
"""
PROGRAM = '#include <stdio.h>\nint main(void) { puts("%s"); return 0; }\n'


def toy(folder, name, needs=(), before='true'):
    """
    Write a recipe with its source beside it; returns its path. When it is made, its name is put into `made` beside it.

    :param needs: names of other toys
    :param before: what make runs before it compiles
    """
    lower, kept = name.lower(), io.BytesIO()
    with tarfile.open(fileobj=kept, mode='w:gz') as archive:
        rules = MAKEFILE.format(lower=lower, before=before, name=name, folder=folder)
        for file, text in ((f'{lower}.c', PROGRAM % name), ('Makefile', rules)):
            entry = tarfile.TarInfo(f'{name}-1.0/{file}')
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'{name}-1.0.tar.gz').write_bytes(kept.getvalue())
    recipe = folder / f'{name}-1.0-GCCcore-14.2.0.eb'
    recipe.write_text(RECIPE.format(name=name, lower=lower, digest=hashlib.sha256(kept.getvalue()).hexdigest(),
                                    needs=', '.join(f"('{need}', '1.0')" for need in needs)))
    return recipe


def module(name):
    """The module that it becomes."""
    return f'{name}/1.0-cpeGNU-25.03'
