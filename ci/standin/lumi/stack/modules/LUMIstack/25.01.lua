-- Module LUMI/<version>, one file for all versions: a link <root>/modules/SoftwareStack/LUMI/<version>.lua.
local version = myModuleVersion()
local root = myFileName():match('^(.*)/modules/SoftwareStack/')
local repository = root .. '/LUMI-SoftwareStack'
local lumi = assert(loadfile(repository .. '/LMOD/lumi.lua'))()(repository)
local stack = lumi.machine.stacks[version]

help('The LUMI software stack of release ' .. version .. ' of the HPE Cray Programming Environment.')
whatis('Description: LUMI software stack ' .. version)

family('LUMI_SoftwareStack')
add_property('lmod', 'sticky')

setenv('LUMI_STACK_NAME', 'LUMI')
setenv('LUMI_STACK_VERSION', version)
setenv('LUMI_STACK_NAME_VERSION', 'LUMI/' .. version)
setenv('LUMI_STACK_CPE_VERSION', stack.cpe)
setenv('LUMI_MODULEPATH_ROOT', root .. '/modules')
setenv('LUMI_VISIBILITYHOOKDATAPATH', root .. '/mgmt/LMOD/VisibilityHookData')
setenv('LUMI_VISIBILITYHOOKDATAFILE', 'CPEmodules_' .. stack.cpe:gsub('%.', '_'))

prepend_path('LMOD_MODULERCFILE', root .. '/mgmt/LMOD/ModuleRC/LUMIstack_' .. version .. '_modulerc.lua')
prepend_path('MODULEPATH', root .. '/modules/SystemPartition/LUMI/' .. version)

local partition = 'partition/' .. lumi.partition(posix.uname('%n'))
if mode() == 'unload' or not isloaded(partition) then
   load(partition)
end
