! SPDX-License-Identifier: GPL-2.0-only
program hello
  use mpi
  implicit none
  integer :: rank, size, sum, error
  call MPI_Init(error)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, error)
  call MPI_Comm_size(MPI_COMM_WORLD, size, error)
  call MPI_Allreduce(rank + 1, sum, 1, MPI_INTEGER, MPI_SUM, MPI_COMM_WORLD, error)
  if (rank == 0) print '(a,2i3)', 'ok hello, use mpi', size, sum
  call MPI_Finalize(error)
end program
