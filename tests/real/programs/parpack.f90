! SPDX-License-Identifier: GPL-2.0-only
! The largest eigenvalue of diag(1..n) with PARPACK's pdsaupd and pdseupd on all ranks.
program parpack
  use mpi
  implicit none
  integer, parameter :: n = 200, nev = 1, ncv = 12, lworkl = ncv*(ncv+8)
  integer :: ierr, rank, ranks, nloc, first, ido, info, iparam(11), ipntr(11), i
  double precision :: tol, sigma, d(nev), workl(lworkl)
  double precision, allocatable :: resid(:), v(:,:), workd(:)
  logical :: chosen(ncv)
  call MPI_Init(ierr)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierr)
  call MPI_Comm_size(MPI_COMM_WORLD, ranks, ierr)
  first = rank*n/ranks
  nloc = (rank+1)*n/ranks - first
  allocate(resid(nloc), v(nloc,ncv), workd(3*nloc))
  tol = 0d0; ido = 0; info = 0; iparam = 0
  iparam(1) = 1; iparam(3) = 1000; iparam(7) = 1
  do
    call pdsaupd(MPI_COMM_WORLD, ido, 'I', nloc, 'LA', nev, tol, resid, ncv, v, nloc, iparam, ipntr, workd, workl, &
                 lworkl, info)
    if (abs(ido) /= 1) exit
    do i = 1, nloc
      workd(ipntr(2)+i-1) = dble(first+i) * workd(ipntr(1)+i-1)
    end do
  end do
  call pdseupd(MPI_COMM_WORLD, .false., 'A', chosen, d, v, nloc, sigma, 'I', nloc, 'LA', nev, tol, resid, ncv, v, nloc, &
               iparam, ipntr, workd, workl, lworkl, info)
  if (rank == 0) then
    if (info == 0 .and. abs(d(1)-n) < 1d-6) then
      print '(a,i0,a)', 'ranks ', ranks, ' OK'
    else
      print '(a,i0,a)', 'ranks ', ranks, ' WRONG'
    end if
  end if
  call MPI_Finalize(ierr)
end program parpack
