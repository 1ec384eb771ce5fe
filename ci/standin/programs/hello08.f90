! SPDX-License-Identifier: GPL-2.0-only
program hello08
  use mpi_f08
  implicit none
  integer :: rank, size, got(1), mine(1)
  type(MPI_Request) :: request(2)
  call MPI_Init()
  call MPI_Comm_rank(MPI_COMM_WORLD, rank)
  call MPI_Comm_size(MPI_COMM_WORLD, size)
  mine = rank + 1
  call MPI_Irecv(got, 1, MPI_INTEGER, mod(rank + 1, size), 7, MPI_COMM_WORLD, request(1))
  call MPI_Isend(mine, 1, MPI_INTEGER, mod(rank + size - 1, size), 7, MPI_COMM_WORLD, request(2))
  call MPI_Waitall(2, request, MPI_STATUSES_IGNORE)
  if (got(1) /= mod(rank + 1, size) + 1) call MPI_Abort(MPI_COMM_WORLD, 3)
  if (rank == 0) print '(a,i3)', 'ok hello, use mpi_f08', size
  call MPI_Finalize()
end program
