-- Functions that the module files of the stack share; they get it with loadfile().
-- Returns a function: lumi(repository) -> table.
return function(repository)
   local lumi = {}
   local machine = assert(loadfile(repository .. '/LMOD/machine.lua'))()

   lumi.machine = machine

   local function matches(host, pattern)
      local first, last = pattern:match('^(%w+)%-(%w+)$')
      if first then
         return #host == #first and host >= first and host <= last
      end
      return host:find('^' .. pattern:gsub('%*', '.*') .. '$') ~= nil
   end

   -- The partition of a node: what the user asked for, else by its name, else L.
   function lumi.partition(host)
      local asked = os.getenv('LUMI_OVERWRITE_PARTITION')
      if asked and asked ~= '' then return asked end
      for _, name in ipairs(machine.order) do
         for _, pattern in ipairs(machine.partitions[name].hosts) do
            if matches(host, pattern) then return name end
         end
      end
      return 'L'
   end

   -- Root of the user's tree; nil if user installations are switched off (EBU_USER_PREFIX set and empty).
   function lumi.user_prefix()
      local prefix = os.getenv('EBU_USER_PREFIX')
      if prefix == nil then
         local home = os.getenv('HOME')
         return home and (home .. '/EasyBuild')
      end
      if prefix == '' then return nil end
      return prefix
   end

   return lumi
end
