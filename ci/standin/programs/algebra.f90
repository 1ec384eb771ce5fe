! SPDX-License-Identifier: GPL-2.0-only
! dgemm, dgesv and, over all ranks, BLACS and pdgesv: A = 4 I + 1 has the solution 1/(4+n) for a right side of ones
program algebra
  implicit none
  integer, parameter :: n = 16, nb = 4
  integer :: context, rank, size, rows, columns, row, column, mine, wide, info, i, j, numroc, indxl2g
  integer :: a_desc(9), b_desc(9), pivots(4 * n)
  double precision :: a(n, n), b(n, n), c(n, n), error
  double precision, allocatable :: local(:, :), right(:, :)
  external :: numroc, indxl2g
  a = 2d0; b = 3d0; c = 0d0
  call dgemm('N', 'N', n, n, n, 1d0, a, n, b, n, 0d0, c, n)
  if (abs(c(1, 1) - 6d0 * n) > 1d-9) stop 2
  call blacs_pinfo(rank, size)
  rows = size; columns = 1
  call blacs_get(-1, 0, context)
  call blacs_gridinit(context, 'R', rows, columns)
  call blacs_gridinfo(context, rows, columns, row, column)
  mine = numroc(n, nb, row, 0, rows); wide = numroc(n, nb, column, 0, columns)
  allocate (local(max(1, mine), wide), right(max(1, mine), 1))
  call descinit(a_desc, n, n, nb, nb, 0, 0, context, max(1, mine), info)
  call descinit(b_desc, n, 1, nb, nb, 0, 0, context, max(1, mine), info)
  local = 1d0; right = 1d0
  do j = 1, wide
    do i = 1, mine
      if (indxl2g(i, nb, row, 0, rows) == indxl2g(j, nb, column, 0, columns)) local(i, j) = 5d0
    end do
  end do
  call pdgesv(n, 1, local, 1, 1, a_desc, pivots, right, 1, 1, b_desc, info)
  error = maxval(abs(right(1:mine, 1) - 1d0 / (4 + n)))
  if (info /= 0 .or. error > 1d-12) stop 3
  if (rank == 0) print '(a,i3,es9.1)', 'ok dgemm, pdgesv', size, error
  call blacs_exit(0)
end program
