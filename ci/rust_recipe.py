# SPDX-License-Identifier: GPL-2.0-only
"""The recipes of Rust's own binary releases."""
import os
from typing import Dict

from lumi_hooks.schemas import checked

TEMPLATE = '''{header}easyblock = 'Binary'

name = 'Rust'
version = '{version}'

homepage = 'https://www.rust-lang.org'
description = """Rust is a programming language; this is the binary release of its project, with its compiler, cargo
and standard library. It is used to build other software."""

toolchain = SYSTEM

source_urls = ['https://static.rust-lang.org/dist/']
sources = ['rust-%(version)s-x86_64-unknown-linux-gnu.tar.gz']
checksums = ['{sha256}']

extract_sources = True
install_cmd = './install.sh --prefix=%(installdir)s --disable-ldconfig '
install_cmd += '--components=rustc,cargo,rust-std-x86_64-unknown-linux-gnu'

sanity_check_paths = {{
    'files': ['bin/rustc', 'bin/cargo'],
    'dirs': ['lib/rustlib/x86_64-unknown-linux-gnu/lib'],
}}
sanity_check_commands = ['rustc --version', 'cargo --version']

moduleclass = 'lang'
'''


def recipe_texts(header: str) -> Dict[str, str]:
    """
    The recipes, by their paths below a folder of recipes.

    :param header: first lines
    """
    return {os.path.join('r', 'Rust', f'Rust-{version}.eb'):
            TEMPLATE.format(header=header, version=version, sha256=entry['sha256'])
            for version, entry in checked('releases/rust.json')['archives'].items()}
