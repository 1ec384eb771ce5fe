-- Module partition/<P>, one file for all: a link <root>/modules/SystemPartition/LUMI/<version>/partition/<P>.lua.
local partition = myModuleVersion()
local root, version = myFileName():match('^(.*)/modules/SystemPartition/LUMI/([^/]+)/')
local repository = root .. '/LUMI-SoftwareStack'
local lumi = assert(loadfile(repository .. '/LMOD/lumi.lua'))()(repository)
local machine = lumi.machine
local branch = '/LUMI/' .. version .. '/partition/'

help('Software for the ' .. partition .. ' partition of LUMI: ' .. machine.partitions[partition].description .. '.')
whatis('Description: software stack for partition ' .. partition)

family('LUMI_partition')
add_property('lmod', 'sticky')

setenv('LUMI_STACK_PARTITION', partition)

-- lowest priority first, as each is put in front
for index = #machine.cray_modulepath, 1, -1 do
   prepend_path('MODULEPATH', machine.cray_modulepath[index])
end
prepend_path('MODULEPATH', root .. '/modules/Infrastructure' .. branch .. partition)
prepend_path('MODULEPATH', root .. '/modules/easybuild/container')
prepend_path('MODULEPATH', root .. '/modules/easybuild/system')
if partition ~= 'common' then
   prepend_path('MODULEPATH', root .. '/modules/easybuild' .. branch .. 'common')
end
prepend_path('MODULEPATH', root .. '/modules/easybuild' .. branch .. partition)

local user = lumi.user_prefix()
if user then
   prepend_path('MODULEPATH', user .. '/modules/container')
   if partition ~= 'common' then prepend_path('MODULEPATH', user .. '/modules' .. branch .. 'common') end
   prepend_path('MODULEPATH', user .. '/modules' .. branch .. partition)
end

if partition ~= 'common' then
   for _, target in ipairs(machine.partitions[partition].targets) do
      if mode() == 'unload' or not isloaded(target) then load(target) end
   end
   if mode() ~= 'unload' and not isloaded('xpmem') then try_load('xpmem') end
end
