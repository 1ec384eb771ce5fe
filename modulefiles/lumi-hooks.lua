-- SPDX-License-Identifier: GPL-2.0-only
-- lumi-hooks for plain `eb`: module use <this folder>, and load it behind the site's modules (LUMI_HOOKS_SITE: whose)
local root = myFileName():gsub("/modulefiles/[^/]*$", "")

local function read(path)
    local file = io.open(path, "r")
    local text = file and file:read("*a") or ""
    if file then file:close() end
    return text
end

-- whoever can write to a file that names folders of modules could put code there; lumi-eb and eb say so
local function open_to_others(path)
    local permissions = lfs and lfs.attributes(path, "permissions") or ""
    return permissions:sub(8, 8) == "w"
end

-- The site's data (lumi_hooks/sites/), of which a few strings are needed: lumi_hooks/sites/__init__.py checks them.
local function site_file()
    local folder, name = os.getenv("LUMI_HOOKS_SITE_DIR"), os.getenv("LUMI_HOOKS_SITE")
    if folder and folder ~= "" then return pathJoin(folder, "site.json") end
    if not name or name == "" then name = "lumi" end
    return pathJoin(root, "lumi_hooks/sites", name, "site.json")
end
local site = site_file()
local data = open_to_others(site) and "" or read(site)
if data == "" and mode() == "load" then
    LmodError(site .. " is missing, or others can write to it: LUMI_HOOKS_SITE or LUMI_HOOKS_SITE_DIR has to name a site")
end
local function part(name) return data:match('"' .. name .. '"%s*:%s*(%b{})') or "" end
local function value(object, key) return object:match('"' .. key .. '"%s*:%s*"([^"]*)"') end
local variables, layout, words = part("variables"), part("layout"), part("words")
local called, load_all = value(data, "called") or "?", value(words, "load") or "?"
local function told(key) return os.getenv(value(variables, key) or "") end

help([[
With this module loaded, `eb X.eb -r` installs unmodified upstream EasyBuild recipes on ]] .. called .. [[: they are
adapted to the loaded release of the Cray PE while EasyBuild reads them. `lumi-eb` shows where you are and what to do
next, `lumi-eb adapt X.eb` what will be changed in a recipe, and why.

It holds for other partitions and releases that are loaded afterwards, too: `eb` is the loaded EasyBuild's with the
hooks. EASYBUILD_HOOKS itself is the site's own again then; load this module once more where something else reads it.

Prefixes below your own ($LUMI_HOOKS_PREFIXES, or the file .lumi-hooks/prefixes in your prefix) are put onto MODULEPATH
behind yours: their modules can be loaded too.
]])
whatis("Description: upstream EasyBuild recipes on " .. called .. ", adapted while they are installed")

local prefix = value(variables, "prefix") or ""
if os.getenv(value(variables, "mode") or "EASYBUILD_PREFIX") == nil and mode() == "load" then
    if os.getenv(prefix) == "" then LmodError(value(words, "no_prefix")) end
    LmodError("load the modules that set EasyBuild up first: " .. load_all .. " lumi-hooks")
end

-- the hooks file that the site's modules name still runs, behind ours, and a user's own behind that
local chained, mine = os.getenv("EASYBUILD_HOOKS"), os.getenv("LUMI_HOOKS_CHAIN")
if chained and chained ~= pathJoin(root, "lumi_hooks/hooks.py") then
    if mine and mine ~= "" and not (":" .. mine .. ":"):find(":" .. chained .. ":", 1, true) then
        chained = chained .. ":" .. mine
    end
    pushenv("LUMI_HOOKS_CHAIN", chained)
end
pushenv("EASYBUILD_HOOKS", pathJoin(root, "lumi_hooks/hooks.py"))
prepend_path("PATH", pathJoin(root, "bin"))
-- An eb that keeps the hooks when another partition or release is loaded: the modules of EasyBuild are loaded again
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
    if open_to_others(name) then return end
    for line in read(name):gmatch("[^\n]+") do
        local path = line:match("^%s*(/.-)/*%s*$")
        if path and not path:find(":") then follow(path, found) end
    end
end

local function prefixes()
    -- what was loaded is unloaded, whatever the variables say by then
    local loaded = os.getenv("LUMI_HOOKS_LOADED_PREFIXES")
    if mode() == "unload" and loaded then return split(loaded) end
    local named = os.getenv("LUMI_HOOKS_PREFIXES")
    if named and named ~= "" then return split(named) end
    local top, home = os.getenv(prefix), os.getenv("HOME")
    if top == nil and home then top = pathJoin(home, value(layout, "home") or "") end
    local found = {}
    if top and top ~= "" then follow(top, found) end
    return found
end

local partition = told("partition") or value(part("partitions"), "default") or ""
local stack = told("stack") or told("release")
local found = prefixes()
-- the site's modules make it; where they could not, eb ends with "No files found using glob pattern" before it loads any
-- hook
if mode() == "load" and found[1] and not isDir(found[1]) then
    LmodMessage("lumi-hooks: the prefix " .. found[1] .. " is not there and could not be made, so eb will not start. Set "
                .. prefix .. " to a folder that you can write to, in a new shell, and load the modules again; "
                .. "\"lumi-eb doctor\" says why")
end
if stack and (told("mode") or "user") == "user" then
    local common = value(part("partitions"), "common") or partition
    -- the last comes first: each is put in front of the ones before, the user's own in front of all
    for number = #found, 1, -1 do
        local function modules(of)
            local below = (value(layout, "modules") or ""):gsub("%.%.", "")
            below = below:gsub("{stack}", stack):gsub("{partition}", of)
            return pathJoin(found[number], below)
        end
        local containers = value(layout, "containers")
        for _, folder in ipairs({containers and pathJoin(found[number], containers) or modules(common), modules(common),
                                 modules(partition)}) do
            if #found > 1 and isDir(folder) then prepend_path("MODULEPATH", folder) end
        end
    end
    setenv("LUMI_HOOKS_LOADED_PREFIXES", table.concat(found, ":"))
end

-- An EasyBuild of the prefix's own goes before the site's module (libexec/own-easybuild makes it).
local own = found[1] and pathJoin(found[1], ".lumi-hooks/easybuild")
if own and isDir(own) then
    local packages = read(pathJoin(own, "packages")):match("^(%S+)")
    pushenv("EBROOTEASYBUILD", own)
    pushenv("EBVERSIONEASYBUILD", read(pathJoin(own, "version")):match("^(%S+)") or "")
    pushenv("EB_PYTHON", pathJoin(own, "python"))
    prepend_path{"PATH", pathJoin(own, "bin"), priority=99}
    prepend_path{"PYTHONPATH", pathJoin(own, packages), priority=99}
end
