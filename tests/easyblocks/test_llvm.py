# SPDX-License-Identifier: GPL-2.0-only
"""LLVM with the operating system's GCC."""
RECIPE = 'LLVM-20.1.8-GCCcore-14.3.0.eb'


def test_llvm_asks_the_compiler_where_its_gcc_is(probe, recipe_text):
    case = {'text': recipe_text(RECIPE, 'cpeGNU'), 'steps': ['_set_gcc_prefix_probs'],
            'commands': {'cc -print-libgcc-file-name': '/usr/lib64/gcc/x86_64-suse-linux/14/libgcc.a\n'},
            'parameters': {'configopts': ''}}
    ours, = probe([case])
    assert ours['error'] is None, ours['error']
    assert ours['commands'][-1] == 'cc -print-libgcc-file-name'
    upstream, = probe([case], mended=False)
    assert "Can't find GCC" in upstream['error'], 'ours can go'
