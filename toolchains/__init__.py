# SPDX-License-Identifier: GPL-2.0-only
"""EasyBuild toolchains for the Cray Programming Environment: cpeGNU, cpeCray, cpeAOCC, cpeAMD.

The same files work in three ways, so every import between them is relative:
given to EasyBuild with --include-toolchains (they become easybuild.toolchains.*), installed as the package
lumi_hooks_toolchains (entry points), or loaded under that name from a checkout.
File names differ from those of EasyBuild and of LUMI's own classes, so that both can be included together.
"""
