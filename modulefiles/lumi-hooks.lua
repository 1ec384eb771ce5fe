-- SPDX-License-Identifier: GPL-2.0-only
-- lumi-hooks for plain `eb`: module use <this folder>; module load LUMI/25.03 partition/C EasyBuild-user lumi-hooks
help([[
With this module loaded, `eb X.eb -r` installs unmodified upstream EasyBuild recipes on LUMI: they are adapted to the
loaded release of the Cray PE while EasyBuild reads them. `lumi-eb` shows where you are and what to do next,
`lumi-eb adapt X.eb` what will be changed in a recipe, and why.

It holds for other partitions and releases that are loaded afterwards, too: `eb` is the loaded EasyBuild's with the
hooks. EASYBUILD_HOOKS itself is LUMI's own again then; load this module once more where something else reads it.

Prefixes below your own ($LUMI_HOOKS_PREFIXES, or the file .lumi-hooks/prefixes in your prefix) are put onto MODULEPATH
behind yours: their modules can be loaded too.
]])
whatis("Description: upstream EasyBuild recipes on LUMI, adapted while they are installed")

local root = myFileName():gsub("/modulefiles/[^/]*$", "")

if os.getenv("LUMI_EASYBUILD_MODE") == nil and mode() == "load" then
    if os.getenv("EBU_USER_PREFIX") == "" then
        LmodError("EBU_USER_PREFIX is empty, which switches off installations by users, so that EasyBuild-user can't be "
                  .. "loaded: set it to a folder of yours or of your project (or unset it: $HOME/EasyBuild), and load "
                  .. "LUMI again")
    end
    LmodError("load EasyBuild-user first: module load LUMI/25.03 partition/C EasyBuild-user lumi-hooks")
end

-- the hooks file that EasyBuild-user names still runs, behind ours, and a user's own behind that
local chained, mine = os.getenv("EASYBUILD_HOOKS"), os.getenv("LUMI_HOOKS_CHAIN")
if chained and chained ~= pathJoin(root, "lumi_hooks/hooks.py") then
    if mine and mine ~= "" and not (":" .. mine .. ":"):find(":" .. chained .. ":", 1, true) then
        chained = chained .. ":" .. mine
    end
    pushenv("LUMI_HOOKS_CHAIN", chained)
end
pushenv("EASYBUILD_HOOKS", pathJoin(root, "lumi_hooks/hooks.py"))
prepend_path("PATH", pathJoin(root, "bin"))
-- An eb that keeps the hooks when another partition or release is loaded: EasyBuild-user and EasyBuild are loaded again
-- then, and this module is not. The priority keeps it before the eb of an EasyBuild that is loaded later.
prepend_path{"PATH", pathJoin(root, "libexec"), priority=100}

-- The stack of prefixes, by the same rules as lumi_hooks/prefix/__init__.py, which complains of what is wrong in it.
local function split(text)
    local found = {}
    for path in text:gmatch("[^:]+") do found[#found + 1] = path end
    return found
end

local function follow(prefix, found)
    if found[prefix] then return end
    found[prefix] = true
    found[#found + 1] = prefix
    local name = pathJoin(prefix, ".lumi-hooks/prefixes")
    local permissions = lfs and lfs.attributes(name, "permissions") or ""
    -- whoever can write to it would put modules, which are code, onto MODULEPATH; lumi-eb and eb say so
    if permissions:sub(8, 8) == "w" then return end
    local file = io.open(name, "r")
    if not file then return end
    for line in file:lines() do
        local path = line:match("^%s*(/.-)/*%s*$")
        if path and not path:find(":") then follow(path, found) end
    end
    file:close()
end

local function prefixes()
    -- what was loaded is unloaded, whatever the variables say by then
    local loaded = os.getenv("LUMI_HOOKS_LOADED_PREFIXES")
    if mode() == "unload" and loaded then return split(loaded) end
    local named = os.getenv("LUMI_HOOKS_PREFIXES")
    if named and named ~= "" then return split(named) end
    local top, home = os.getenv("EBU_USER_PREFIX"), os.getenv("HOME")
    if top == nil and home then top = pathJoin(home, "EasyBuild") end
    local found = {}
    if top and top ~= "" then follow(top, found) end
    return found
end

local stack, partition = os.getenv("LUMI_STACK_VERSION"), os.getenv("LUMI_STACK_PARTITION")
local found = prefixes()
-- EasyBuild-user makes it; where it could not, eb ends with "No files found using glob pattern" before it loads any hook
if mode() == "load" and found[1] and not isDir(found[1]) then
    LmodMessage("lumi-hooks: the prefix " .. found[1] .. " is not there and could not be made, so eb will not start. Set "
                .. "EBU_USER_PREFIX to a folder that you can write to, in a new shell, and load the modules again; "
                .. "\"lumi-eb doctor\" says why")
end
if stack and partition and os.getenv("LUMI_EASYBUILD_MODE") == "user" then
    -- the last comes first: each is put in front of the ones before, the user's own in front of all
    for number = #found, 1, -1 do
        local modules = pathJoin(found[number], "modules")
        local tree = pathJoin(modules, "LUMI", stack, "partition")
        for _, folder in ipairs({pathJoin(modules, "container"), pathJoin(tree, "common"), pathJoin(tree, partition)}) do
            if #found > 1 and isDir(folder) then prepend_path("MODULEPATH", folder) end
        end
    end
    setenv("LUMI_HOOKS_LOADED_PREFIXES", table.concat(found, ":"))
end
