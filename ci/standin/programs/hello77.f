c SPDX-License-Identifier: GPL-2.0-only
      program hello
      include 'mpif.h'
      integer rank, size, error
      call MPI_Init(error)
      call MPI_Comm_rank(MPI_COMM_WORLD, rank, error)
      call MPI_Comm_size(MPI_COMM_WORLD, size, error)
      if (rank .eq. 0) print *, 'ok hello, mpif.h', size
      call MPI_Finalize(error)
      end
