# SPDX-License-Identifier: GPL-2.0-only
"""The general check: names that nothing answers to."""
import pytest
from ruling import says
from writing import put_recipe

from lumi_hooks.adapt import adapt
from lumi_hooks.change import Refusal
from lumi_hooks.recipe import read_recipe
from lumi_hooks.rules.draft import Draft
from lumi_hooks.rules.unprovided import unprovided
from lumi_hooks.site import make_site


def names(recipe, site):
    return [(item.kind, item.name, item.refused) for item in unprovided(Draft(recipe), site)]


@pytest.mark.parametrize('more, found', [
    ("buildopts = '$CLFAGS $CFLAGS'", [('variable', '$CLFAGS', False)]),
    ("buildopts = '${NOBODY} ${NOBODY} ${SET:-x} $$MAKES'", [('variable', '$NOBODY', False)]),
    ("prebuildopts = 'export MINE=1 && for each in a b; do x $each $MINE; done && '", []),
    ("modextravars = {'MINE': 'x'}\nbuildopts = '$MINE $HOME $LIBBLAS_MT $CRAY_MPICH_DIR $SLURM_NTASKS'", []),
    ("dependencies = [('zlib', '1.3.1')]\nconfigopts = '$EBROOTZLIB $EBROOTTHING $EBROOTBOOST'",
     [('root', '$EBROOTBOOST', False)]),
    ("configopts = '--x=$EBROOTGENTOO/usr --y=/cvmfs/software.eessi.io/x'",
     [('place', '/cvmfs/', True), ('variable', '$EBROOTGENTOO', True)]),
    ("configopts = '-L$MKLROOT/lib'", [('variable', '$MKLROOT', True)]),
    ("postinstallcmds = ['ifort x.f90', 'flexiblas list']",
     [('program', 'flexiblas', False), ('program', 'ifort', False)]),
    ("buildopts = '-lopenblas -lucp -lz'", [('library', '-lucp', False), ('library', '-lopenblas', False)]),
    # what people read, and what is only spelled alike
    ("description = 'uses /cvmfs/ and $NOBODY'\n"
     "buildopts = '--enable-ifort x/ifort $(CC) ifort.mk --with-ifort=no'", [])])
def test_what_is_found(recipe, site, more, found):
    assert names(recipe(more + '\n'), site) == found


def test_the_compiler_s_folder_by_toolchain(recipe):
    """Our class of cpeGNU answers for GCC, the others do not."""
    text = "configopts = '--gcc-toolchain=$EBROOTGCCCORE'\n"
    for toolchain, found in (('cpeGNU', []), ('cpeCray', [('root', '$EBROOTGCCCORE', False)])):
        assert names(recipe(text), make_site(toolchain=toolchain, env={})) == found


def test_rule_unprovided_refuses_what_only_others_have(recipe, site):
    found, = says('unprovided', recipe("configopts = '--x=/cvmfs/y'\n"), site)
    assert isinstance(found, Refusal) and found.code == 'not-here' and 'configopts names /cvmfs/' in found.reason


def test_the_rest_is_a_note(recipe, site):
    found = adapt(recipe("buildopts = '$CLFAGS'\n"), site)
    assert found.status == 'adapted'
    assert [note for note in found.notes if 'CLFAGS' in note] == ['buildopts names $CLFAGS: nothing is known to set it']


@pytest.mark.parametrize('toolchain, told', [('cpeGNU', []), ('cpeCray', ['-lgfortran', 'gfortran'])])
def test_names_of_gnus_compilers_with_the_others(recipe, toolchain, told):
    site = make_site('25.03', toolchain=toolchain, env={})
    found = adapt(recipe("prebuildopts = 'export LIBS=-lgfortran FPP=\"gfortran -E\" && '\n"), site)
    assert [note.split(':')[0] for note in found.notes] == [f'prebuildopts names {name}' for name in told]


def test_what_other_rules_have_mended_is_not_told(recipe, site):
    found = adapt(recipe("configopts = '-lopenblas mpirun $EBROOTOPENSSL MPI=$(which mpicc)'\n"), site)
    assert found.notes == ()


PATCH = """--- a/Makefile
+++ b/Makefile -lopenblas
@@ -1,2 +1,3 @@
-LIBS = -lucs
+LIBS = -lmkl_rt -lflexiblas -lmpi_cxx $(LAPACKE)
+#include "flexiblas_api.h"
 RUN = mpirun
"""


def test_lines_that_a_patch_adds(tmp_path, site):
    """
    Not what it removes, leaves or says of itself, nor what the linker finds by that name; what the recipe's commands
    name too, they deal with.
    """
    (tmp_path / 'a.patch').write_text(PATCH)
    path = put_recipe(tmp_path, 'Top', more="patches = ['a.patch', 'elsewhere.patch']\n", flat=True)
    where = 'the patch a.patch'
    draft = Draft(read_recipe(path))
    found = [(item.kind, item.name, item.parameter, item.refused) for item in unprovided(draft, site)]
    assert found == [('library', '-lmkl_rt', where, False), ('header', 'flexiblas_api.h', where, False)]
    more = "patches = ['a.patch']\npreconfigopts = 'sed -i s/-lmkl_rt// Makefile &&'\n"
    path = put_recipe(tmp_path, 'Next', more=more, flat=True)
    assert [item.name for item in unprovided(Draft(read_recipe(path)), site)] == ['flexiblas_api.h']


@pytest.mark.parametrize('name, word', [
    ('TDEP-25.03-foss-2026.1.eb', 'mpicxx'), ('TELEMAC-MASCARET-9.0.0-foss-2024a.eb', 'mpirun')])
def test_R4_programs_by_name_in_upstreams_patches(upstream_site, upstream_file, name, word):
    notes = adapt(read_recipe(upstream_file(name)), upstream_site).notes
    assert any('the patch' in note and f' {word}:' in note for note in notes)
    assert not any('the patch' in note and ' -l' in note for note in notes)


def test_upstreams_recipes(upstream_site, upstream_file):
    """kim-api stored /usr/bin/gcc; Wannier90 names $F90_SEQ, which EasyBuild sets."""
    found = adapt(read_recipe(upstream_file('kim-api-2.4.1-GCC-14.2.0.eb')), upstream_site)
    assert 'EBROOTGCCCORE' not in str(found.parameters['postinstallcmds']) and not found.notes
    assert not adapt(read_recipe(upstream_file('Wannier90-3.1.0-foss-2024a.eb')), upstream_site).notes
