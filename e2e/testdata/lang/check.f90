! check: what the Fortran test programs share; they are called and report as those of ../mpi/check.h say.
module check
  use, intrinsic :: iso_c_binding, only: c_int
  use, intrinsic :: iso_fortran_env, only: int32, int64, real64, output_unit
  implicit none
  integer(int64) :: steps = 100, digest = 17
  real(real64) :: pause_seconds = 0
  character(len=4096) :: hurry = ''
  integer(int32) :: me = -1, np = 0
  interface
    subroutine c_usleep(microseconds) bind(c, name='usleep')
      import :: c_int
      integer(c_int), value :: microseconds
    end subroutine
    subroutine c_exit(code) bind(c, name='_exit')
      import :: c_int
      integer(c_int), value :: code
    end subroutine
  end interface
  interface expect ! the default kind may be 4 or 8 bytes wide
    procedure expect4, expect8
  end interface
contains
  subroutine parse()
    character(len=64) :: word
    integer(int64) :: us
    call get_command_argument(1, word)
    if (word /= '') read (word, *) steps
    call get_command_argument(2, word)
    if (word /= '') then
      read (word, *) us
      pause_seconds = us / 1.0d6
    end if
    call get_environment_variable('MANAE2E_HURRY', hurry)
  end subroutine

  subroutine mix(value)
    integer(int64), intent(in) :: value
    digest = modulo(digest * 1000003_int64 + modulo(value, 1000000007_int64), 1000000007_int64)
  end subroutine

  subroutine expect8(good, what)
    logical(int64), intent(in) :: good
    character(len=*), intent(in) :: what
    call expect4(logical(good, int32), what)
  end subroutine

  subroutine expect4(good, what)
    logical(int32), intent(in) :: good
    character(len=*), intent(in) :: what
    if (good) return
    write (0, '(a,i0,a,a)') 'FAIL rank ', me, ': ', what
    flush (0)
    call c_exit(3_c_int) ! the launcher ends the job
  end subroutine

  subroutine end_step(k)
    integer(int64), intent(in) :: k
    logical :: hurried
    if (me == 0) then
      write (output_unit, '(a,i0)') 'step ', k
      flush (output_unit)
    end if
    hurried = .false.
    if (hurry /= '') inquire (file=trim(hurry), exist=hurried)
    if (pause_seconds > 0 .and. .not. hurried) call c_usleep(int(pause_seconds * 1.0d6, c_int))
  end subroutine
end module
