# SPDX-License-Identifier: GPL-2.0-only
"""Scripts that libtool itself writes, for a Fortran compiler that it does not know."""
import os
from types import SimpleNamespace

import pytest

from lumi_hooks.eb.lifecycle import libtool
from lumi_hooks.eb.lifecycle.libtool import complete, with_words

SCRIPT = '''#!/bin/sh
# ### BEGIN LIBTOOL CONFIG
wl=
pic_flag=" -fPIC -DPIC"
# ### END LIBTOOL CONFIG
# ### BEGIN LIBTOOL TAG CONFIG: F77
wl=""
pic_flag=""
whole_archive_flag_spec="\\${wl}--whole-archive"
# ### END LIBTOOL TAG CONFIG: F77
# ### BEGIN LIBTOOL TAG CONFIG: FC
wl="-Wl,"
pic_flag=" -fPIC"
# ### END LIBTOOL TAG CONFIG: FC
# ### BEGIN LIBTOOL TAG CONFIG: CXX
wl=""
# ### END LIBTOOL TAG CONFIG: CXX
'''
AFTER = SCRIPT.replace('wl=""\npic_flag=""', 'wl="-Wl,"\npic_flag=" -hPIC"')


def test_only_empty_words_of_fortran_are_filled_in():
    assert with_words(SCRIPT, {'wl': '-Wl,', 'pic_flag': ' -hPIC'}) == AFTER != SCRIPT


@pytest.mark.parametrize('toolchain, after', [('cpeCray', AFTER), ('cpeAMD', AFTER.replace('-hPIC', '-fPIC')),
                                              ('cpeGNU', SCRIPT), ('system', SCRIPT)])
def test_the_scripts_of_a_build(tmp_path, monkeypatch, toolchain, after):
    monkeypatch.setattr(libtool, 'build_option', lambda name: True)
    script = tmp_path / 'thing-1.0/sub/libtool'
    script.parent.mkdir(parents=True)
    script.write_text(SCRIPT)
    script.chmod(0o755)
    (tmp_path / 'thing-1.0/libtool').mkdir()
    app = SimpleNamespace(builddir=str(tmp_path), toolchain=SimpleNamespace(name=toolchain), dry_run=False)
    complete(app)
    assert script.read_text() == after and os.access(script, os.X_OK)
    complete(app)
    assert script.read_text() == after
