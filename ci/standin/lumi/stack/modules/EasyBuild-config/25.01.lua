-- Modules EasyBuild-{user,production,infrastructure}/LUMI, one file for all of them: links in
-- <root>/modules/Infrastructure/LUMI/<version>/partition/<P>/. The mode is in the name, the rest in the path.
local config = myModuleName():match('^EasyBuild%-(%w+)$')
local root, version, partition = myFileName():match('^(.*)/modules/Infrastructure/LUMI/([^/]+)/partition/([^/]+)/')
local repository = root .. '/LUMI-SoftwareStack'
local lumi = assert(loadfile(repository .. '/LMOD/lumi.lua'))()(repository)
local stack = lumi.machine.stacks[version]
local host = posix.uname('%n')
local login_node = host:find('uan') or host:find('ln')
local loading = mode() == 'load'
local is_user = config == 'user'

help('Sets up EasyBuild to install software for LUMI/' .. version .. ', partition ' .. partition
     .. ', in ' .. config .. ' mode.')
whatis('Description: EasyBuild in ' .. config .. ' mode for LUMI/' .. version .. ' partition ' .. partition)

family('EasyBuildConfig')

local user = lumi.user_prefix()
if loading and is_user and not user then
   LmodError('User installations are switched off: EBU_USER_PREFIX is empty. Unset it, or set it to a directory.')
end
if loading and not is_user and not isloaded('EasyBuild-unlock') then
   LmodError('EasyBuild-' .. config .. ' writes into the central stack: load EasyBuild-unlock first.')
end
user = user or '/nonexistent'

local function existing(...)
   local found = {}
   for _, path in ipairs({...}) do
      if isFile(path) then found[#found + 1] = path end
   end
   return found
end

local function join(list, separator) return table.concat(list, separator) end

-- ---------------------------------------------------------------------------------------------- directories
local stack_dir = 'LUMI-' .. version
local module_dir = 'LUMI/' .. version .. '/partition/'
local repo_dir = 'ebfiles_repo/LUMI-' .. version .. '/LUMI-'
local stack_eb = repository .. '/easybuild'
local user_eb = user .. '/UserRepo/easybuild'
local contrib = root .. '/LUMI-EasyBuild-contrib'
if is_user and isDir(user .. '/LUMI-EasyBuild-contrib') then contrib = user .. '/LUMI-EasyBuild-contrib' end
local contrib_eb = contrib .. '/easybuild'
local sif_images = root:gsub('/lumi$', '') .. '/local/containers/easybuild-sif-images'

local prefix = is_user and user or root
local software, modules, repo
if is_user then
   software = user .. '/SW/' .. stack_dir .. '/' .. partition
   modules = user .. '/modules/' .. module_dir .. partition
   repo = user .. '/' .. repo_dir
else
   software = root .. '/SW/' .. stack_dir .. '/' .. partition .. '/EB'
   modules = root .. '/modules/' .. (config == 'production' and 'easybuild/' or 'Infrastructure/') .. module_dir .. partition
   repo = root .. '/mgmt/' .. repo_dir
end
local system_repo = root .. '/mgmt/' .. repo_dir

local workdir = os.getenv('EBU_WORKDIR')
if not workdir or workdir == '' then
   local temporary = '/tmp/' .. (os.getenv('USER') or 'nobody')
   if os.getenv('SINGULARITY_CONTAINER') then
      workdir = temporary
   elseif login_node then
      workdir = os.getenv('XDG_RUNTIME_DIR') or temporary
   else
      workdir = os.getenv('SLURM_JOB_ID') and ('/tmp/' .. os.getenv('SLURM_JOB_ID')) or temporary
   end
end
workdir = workdir .. '/easybuild'

-- ------------------------------------------------------------------------------------------------ variables
setenv('LUMI_EASYBUILD_MODE', config)
setenv('EASYBUILD_PREFIX', prefix)
setenv('EASYBUILD_INSTALLPATH', prefix)
setenv('EASYBUILD_INSTALLPATH_SOFTWARE', software)
setenv('EASYBUILD_INSTALLPATH_MODULES', modules)
setenv('EASYBUILD_REPOSITORY', 'FileRepository')
setenv('EASYBUILD_REPOSITORYPATH', repo .. partition)

local sources = {root .. '/sources/easybuild', sif_images}
if is_user then table.insert(sources, 1, user .. '/sources') end
setenv('EASYBUILD_SOURCEPATH', join(sources, ':'))
setenv('EASYBUILD_CONTAINERPATH', prefix .. '/containers')
setenv('EASYBUILD_PACKAGEPATH', prefix .. '/packages')

local robot = {}
if is_user then
   robot[#robot + 1] = repo .. partition
   if partition ~= 'common' then robot[#robot + 1] = repo .. 'common' end
end
robot[#robot + 1] = system_repo .. partition
if partition ~= 'common' then robot[#robot + 1] = system_repo .. 'common' end
if is_user then
   robot[#robot + 1] = user_eb .. '/easyconfigs'
   robot[#robot + 1] = contrib_eb .. '/easyconfigs'
end
robot[#robot + 1] = stack_eb .. '/easyconfigs'
setenv('EASYBUILD_ROBOT_PATHS', join(robot, ':'))

local easybuild_root = root .. '/SW/system/EB/EasyBuild/' .. stack.easybuild
if not is_user then
   setenv('EASYBUILD_SEARCH_PATHS', contrib_eb .. '/easyconfigs:' .. easybuild_root .. '/easybuild/easyconfigs')
end

local general = stack_eb .. '/config/easybuild-production.cfg'
local special = stack_eb .. '/config/easybuild-production-LUMI-' .. version .. '.cfg'
local files
if is_user then
   files = existing(general, user_eb .. '/config/easybuild-user.cfg', special,
                    user_eb .. '/config/easybuild-user-LUMI-' .. version .. '.cfg')
else
   files = existing(general, special)
end
setenv('EASYBUILD_CONFIGFILES', join(files, ','))
setenv('EASYBUILD_EXTERNAL_MODULES_METADATA',
       stack_eb .. '/config/external_modules_metadata-CPE-' .. stack.cpe .. '.cfg')

local easyblocks = {stack_eb .. '/easyblocks/*/*.py'}
if is_user then
   easyblocks[#easyblocks + 1] = contrib_eb .. '/easyblocks/*/*.py'
   easyblocks[#easyblocks + 1] = user_eb .. '/easyblocks/*/*.py'
end
setenv('EASYBUILD_INCLUDE_EASYBLOCKS', join(easyblocks, ','))
setenv('EASYBUILD_INCLUDE_TOOLCHAINS',
       stack_eb .. '/toolchains/*.py,' .. stack_eb .. '/toolchains/compiler/*.py')
setenv('EASYBUILD_HOOKS', stack_eb .. '/hooks/LUMI_site_hooks-22.08.py')
setenv('EASYBUILD_INCLUDE_MODULE_NAMING_SCHEMES', stack_eb .. '/tools/module_naming_scheme/*.py')
setenv('EASYBUILD_MODULE_NAMING_SCHEME', 'LUMI_FlatMNS')
setenv('EASYBUILD_SUFFIX_MODULES_PATH', '')
setenv('EASYBUILD_BUILDPATH', workdir .. '/build')
setenv('EASYBUILD_TMPDIR', workdir .. '/tmp')
setenv('EASYBUILD_OPTARCH', lumi.machine.partitions[partition].optarch)
if login_node then setenv('EASYBUILD_PARALLEL', '16') end
prepend_path('PATH', repository .. '/tools')
set_shell_function('clear-eb', 'rm -rf ' .. workdir, 'rm -rf ' .. workdir)

-- ---------------------------------------------------------------------------------- the user's tree, EasyBuild
if loading and is_user then
   for _, path in ipairs({software, modules, repo .. partition, user .. '/sources', user .. '/containers',
                          user .. '/packages', user_eb .. '/config', user_eb .. '/easyconfigs',
                          user_eb .. '/easyblocks/00'}) do
      if not isDir(path) then mkdir_recursive(path) end
   end
   -- EasyBuild stops on a pattern of --include-easyblocks that matches nothing
   local dummy = user_eb .. '/easyblocks/00/00dummy.py'
   local source = not isFile(dummy) and io.open(stack_eb .. '/easyblocks/00/00dummy.py', 'r')
   if source then
      local copy = io.open(dummy, 'w')
      if copy then copy:write(source:read('*a')); copy:close() end
      source:close()
   end
end

local easybuild = 'EasyBuild/' .. stack.easybuild
if mode() == 'unload' or not isloaded(easybuild) then
   if is_user then load(easybuild) else try_load(easybuild) end
end
