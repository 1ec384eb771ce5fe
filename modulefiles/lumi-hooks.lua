-- SPDX-License-Identifier: GPL-2.0-only
-- lumi-hooks for plain `eb`: module use <this folder>; module load LUMI/25.03 partition/C EasyBuild-user lumi-hooks
help([[
With this module loaded, `eb X.eb -r` installs unmodified upstream EasyBuild recipes on LUMI: they are adapted to the
loaded release of the Cray PE while EasyBuild reads them. `lumi-eb` shows where you are and what to do next,
`lumi-eb adapt X.eb` what will be changed in a recipe, and why.
]])
whatis("Description: upstream EasyBuild recipes on LUMI, adapted while they are installed")

local root = myFileName():gsub("/modulefiles/[^/]*$", "")

if os.getenv("LUMI_EASYBUILD_MODE") == nil and mode() == "load" then
    LmodError("load EasyBuild-user first: module load LUMI/25.03 partition/C EasyBuild-user lumi-hooks")
end

-- the hooks file that EasyBuild-user names still runs, behind ours
local chained = os.getenv("EASYBUILD_HOOKS")
if chained and chained ~= pathJoin(root, "lumi_hooks/hooks.py") then
    pushenv("LUMI_HOOKS_CHAIN", chained)
end
pushenv("EASYBUILD_HOOKS", pathJoin(root, "lumi_hooks/hooks.py"))
prepend_path("PATH", pathJoin(root, "bin"))
