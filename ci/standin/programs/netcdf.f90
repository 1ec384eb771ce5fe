! SPDX-License-Identifier: GPL-2.0-only
program simple
  use netcdf
  implicit none
  integer :: file, dim, var
  if (nf90_create('fortran.nc', NF90_NETCDF4, file) /= 0) stop 2
  if (nf90_def_dim(file, 'x', 3, dim) /= 0) stop 3
  if (nf90_def_var(file, 'v', NF90_INT, dim, var) /= 0) stop 4
  if (nf90_enddef(file) /= 0) stop 5
  if (nf90_put_var(file, var, [1, 2, 3]) /= 0) stop 6
  if (nf90_close(file) /= 0) stop 7
  print '(a)', 'ok netCDF, Fortran'
end program
