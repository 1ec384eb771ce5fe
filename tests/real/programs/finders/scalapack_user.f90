program scalapack_user
  implicit none
  external :: blacs_pinfo, pdgemm
  integer :: me, all
  call blacs_pinfo(me, all)
  if (all < 0) call pdgemm()
end program scalapack_user
