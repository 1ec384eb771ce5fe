# SPDX-License-Identifier: GPL-2.0-only
"""What the easyblocks with fixes are tried on: real recipes, and the files of the sources that their steps read."""

MAKEFILE = 'CCS = cc\nCCP = cc\nCCD = cc\nLDFLAGS = -lm\nCFLAGS = -O\n'
RULES = 'cc = gcc\nCC = g++\ncOPT = -O2\nc++OPT = -O2\n'
SIESTA = ('FPPFLAGS = -DX\nFFLAGS = -O\nLIBS =\nLDFLAGS =\nFCFLAGS_free_f90 =\nFPPFLAGS_free_F90 =\n'
          'COMP_LIBS = dc_lapack.a\nCC = gcc\nFC = gfortran\n')

# name -> what easyblock_probe.py runs; 'recipe' instead of a text
CASES = {
    'Boost': {
        'recipe': 'Boost.MPI-1.88.0-gompi-2025b.eb',
        'steps': ['configure_step'],
        'files': {'project-config.jam': 'using gcc ;\nlibraries = ;\n'},
        'show': ['user-config.jam'],
    },
    'OpenFOAM': {
        'recipe': 'OpenFOAM-v2506-foss-2025b.eb',
        'steps': ['configure_step'],
        'files': {
            'OpenFOAM-v2506/etc/bashrc': 'export WM_COMPILER=Gcc\n',
            'OpenFOAM-v2506/etc/cshrc': 'setenv WM_COMPILER Gcc\n',
            'OpenFOAM-v2506/wmake/rules/General/Gcc/c': RULES,
            'OpenFOAM-v2506/wmake/rules/General/Clang/c++': RULES,
            'OpenFOAM-v2506/wmake/rules/linux64Gcc/c++': RULES,
        },
        'show': ['OpenFOAM-v2506/wmake/rules/General/Clang/c++', 'OpenFOAM-v2506/wmake/rules/linux64Gcc/c++'],
    },
    'NAMD': {
        'recipe': 'NAMD-3.0.1-foss-2024a-mpi.eb',
        'steps': ['configure_step'],
        'files': {'arch/Linux-x86_64.tcl': 'TCLLIB=-L$(TCLDIR)/lib -ltcl8.5 -ldl\n'},
        'attributes': {'charm_tarballs': ['charm-8.0.0.tar']},
        'parameters': {'namd_basearch': 'Linux-x86_64'},
    },
    'Siesta': {
        'recipe': 'Siesta-4.1.5-foss-2022a.eb',
        'steps': ['configure_step'],
        'files': {'Obj/gfortran.make': SIESTA, 'Src/obj_setup.sh': '', 'Obj/siesta': '', 'Obj/transiesta': ''},
        'parameters': {'with_utils': False, 'with_transiesta': False},
        'show': ['Obj/arch.make'],
    },
    'CP2K': {
        'recipe': 'CP2K-2023.1-foss-2023a.eb',
        'steps': ['configure_step'],
        'files': {'arch/x': ''},
        'show_glob': 'arch/*.psmp',
    },
    'Score-P': {'recipe': 'Score-P-9.4-gompi-2025b.eb', 'steps': ['configure_step']},
    'OTF2': {'recipe': 'OTF2-3.1.1-GCCcore-14.2.0.eb', 'steps': ['configure_step']},
    'QuantumESPRESSO': {'recipe': 'QuantumESPRESSO-7.5-foss-2025b.eb', 'steps': ['_add_toolchains_opts']},
    'QuantumESPRESSO, make': {
        'recipe': 'QuantumESPRESSO-7.2-foss-2023a.eb',
        'steps': ['configure_step'],
        'start_dir': 'qe-7.2',
        'files': {
            'qe-7.2/make.inc': 'F90FLAGS = -g\nFFLAGS = -g\nDFLAGS = -D__X\nBLAS_LIBS =\nSCALAPACK_LIBS =\n',
            'qe-7.2/install/make_wannier90.inc': 'LIBS =\n',
        },
        'show': ['qe-7.2/make.inc'],
    },
    # without libxc, of which it takes no newer than 5
    'QuantumESPRESSO, 6.7': {
        'recipe': 'QuantumESPRESSO-7.2-foss-2023a.eb',
        'as': {'version': '6.7', 'dependencies': []},
        'steps': ['configure_step'],
        'start_dir': 'qe-6.7',
        'files': {
            'qe-6.7/make.inc': 'F90FLAGS = -g\nFFLAGS = -g\nDFLAGS = -D__X\nBLAS_LIBS =\nSCALAPACK_LIBS =\n',
            'qe-6.7/install/make_wannier90.inc': 'LIBS =\n',
        },
        'show': ['qe-6.7/make.inc'],
    },
    'MUMPS': {
        'recipe': 'MUMPS-5.8.1-foss-2025b-metis.eb',
        'steps': ['configure_step'],
        'files': {'Make.inc/Makefile.debian.PAR': 'x'},
    },
    'SCOTCH': {
        'recipe': 'SCOTCH-7.0.8-gompi-2025a.eb',
        'steps': ['configure_step', 'build_step'],
        'files': {'src/Make.inc/Makefile.inc.x86-64_pc_linux2': MAKEFILE},
        'show': ['src/Makefile.inc'],
    },
    'ELPA': {'recipe': 'ELPA-2025.06.002-foss-2025b.eb', 'steps': ['configure_step']},
    'PDT': {'recipe': 'PDT-3.25.2-GCCcore-13.3.0.eb', 'steps': ['configure_step']},
    'Trilinos': {'recipe': 'Trilinos-16.2.0-foss-2025b.eb', 'steps': ['configure_step']},
    'SuiteSparse': {'recipe': 'SuiteSparse-7.8.2-foss-2024a-METIS-5.1.0.eb', 'steps': ['configure_step']},
    'SuperLU': {'recipe': 'SuperLU-6.0.1-foss-2023b.eb', 'steps': ['configure_step']},
    'ESMF': {'recipe': 'ESMF-8.9.0-foss-2025b.eb', 'steps': ['configure_step']},
    'GROMACS': {
        'recipe': 'GROMACS-2025.4-foss-2025b.eb',
        'steps': ['configure_step'],
        'parameters': {'configopts': '-DGMX_MPI=ON'},
        'commands': {
            'cmake': 'Using external FFT library - FFTW3\nLooking for dgemm_ - found\nLooking for cheev_ - found\n',
        },
    },
    # extensions of SciPy-bundle, with its dependencies
    'numpy': {
        'recipe': 'SciPy-bundle-2025.06-gfbf-2025a.eb',
        'as': {'name': 'numpy', 'version': '2.3.1'},
        'easyblock': 'EB_numpy',
        'steps': ['configure_step'],
        'attributes': {'python_cmd': 'python'},
    },
    'scipy': {
        'recipe': 'SciPy-bundle-2025.06-gfbf-2025a.eb',
        'as': {'name': 'scipy', 'version': '1.16.0'},
        'easyblock': 'EB_scipy',
        'steps': ['configure_step'],
        'attributes': {'python_cmd': 'python'},
    },
    'Clang': {
        'recipe': 'Clang-16.0.6-GCCcore-12.3.0.eb',
        'steps': ['configure_step'],
        'parameters': {'skip_sanitizer_tests': False, 'build_targets': ['X86']},
        'attributes': {'llvm_src_dir': '../llvm'},
        'commands': {'ulimit -v': 'unlimited', 'ulimit -s': '8192',
                     'cc -v': 'Selected GCC installation: /usr/lib64/gcc/x86_64-suse-linux/14\n'},
    },
    'Trinity': {
        'recipe': 'Trinity-2.15.2-foss-2023a.eb',
        'steps': ['install_step'],
        'files': {'Makefile': 'INCHWORM_CONFIGURE_FLAGS =\nCHRYSALIS_MAKE_FLAGS =\n'},
    },
    'PyTorch': {
        'recipe': 'PyTorch-2.9.1-foss-2025b.eb',
        'steps': ['configure_step'],
        'files': {
            'tools/setup_helpers/cmake.py': 'for var in (\n    "BLAS",\n    "WITH_BLAS",\n)\n',
            'torch/testing/_internal/common_utils.py': 'default=_get_test_report_path() if IS_CI else None\n',
            # of older easyblocks
            'test/run_test.py': 'if IS_CI:\n    # Add the option to generate XML test report\n',
        },
        'attributes': {'python_cmd': 'python'},
        'show': ['tools/setup_helpers/cmake.py'],
    },
    'OpenCV': {'recipe': 'OpenCV-4.12.0-foss-2025a-contrib.eb', 'steps': ['configure_step'],
               'attributes': {'pylibdir': 'lib/python3.11/site-packages'}},
    'MesonNinja': {'recipe': 'numsa-0.2.0-gfbf-2024a.eb', 'steps': ['configure_step']},
}
