! SPDX-License-Identifier: GPL-2.0-only
program serial
  use hdf5
  implicit none
  integer(hid_t) :: file
  integer :: error
  call h5open_f(error)
  call h5fcreate_f('fortran.h5', H5F_ACC_TRUNC_F, file, error)
  call h5fclose_f(file, error)
  call h5close_f(error)
  if (error /= 0) stop 2
  print '(a)', 'ok HDF5, Fortran'
end program
