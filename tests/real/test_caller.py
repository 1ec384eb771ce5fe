# SPDX-License-Identifier: GPL-2.0-only
"""What the shell that starts eb has set for itself does not reach builds, nor their sanity checks."""
import json

from lumi_hooks.record import FILE

NAMES = ('MPICH_GPU_SUPPORT_ENABLED', 'CONDA_PREFIX', 'CFLAGS', 'CONFIG_SITE', 'PERL5LIB', 'R_LIBS', 'PIP_TARGET',
         'PETSC_DIR', 'CRAYPE_LINK_TYPE', 'CARGO_TARGET_DIR')
RECIPE = """easyblock = 'MakeCp'
name = 'seen'
version = '1.0'
homepage = 'https://example.org'
description = "what a build sees"
toolchain = {'name': 'gompi', 'version': '2025a'}
sources = []
prebuildopts = 'env > built.txt && : '
files_to_copy = [(['built.txt'], 'share')]
sanity_check_paths = {'files': ['share/built.txt'], 'dirs': []}
sanity_check_commands = ['env > %(installdir)s/share/checked.txt']
moduleclass = 'tools'
"""


def test_O22_builds_and_sanity_checks_do_not_see_it(fresh, tmp_path):
    path = tmp_path / 'seen-1.0-gompi-2025a.eb'
    path.write_text(RECIPE)
    foreign = dict.fromkeys(NAMES, '/foreign')
    script = (f'export LD_LIBRARY_PATH=/foreign/lib:$LD_LIBRARY_PATH PATH=/foreign/bin:$PATH '
              f'PKG_CONFIG_PATH=/foreign/pc:$PKG_CONFIG_PATH; eb --hooks={fresh.hooks} {path}; '
              'echo "after: $CFLAGS"')
    done = fresh.run(script, check=True, **foreign)
    said = [line for line in done.stdout.splitlines() if 'builds do not see what your shell has set' in line]
    assert len(said) == 1 and 'LD_LIBRARY_PATH (/foreign/lib)' in said[0] and 'CFLAGS' in said[0]
    folder = fresh.software('seen', '1.0-cpeGNU-25.03')
    for name in ('built.txt', 'checked.txt'):
        lines = (folder / 'share' / name).read_text().splitlines()
        assert [line for line in lines if '/foreign' in line and not line.startswith(('OLDPWD', '_='))] == []
        # what the modules have set is there
        assert any(line.startswith('CRAY_MPICH_DIR=') for line in lines)
        assert any(line.startswith('PKG_CONFIG_PATH=') and 'opt/cray' in line for line in lines)
    left_out = json.loads((folder / FILE).read_text())['left_out']
    assert {*NAMES, 'LD_LIBRARY_PATH', 'PATH', 'PKG_CONFIG_PATH'} <= set(left_out) and 'CC' not in left_out
