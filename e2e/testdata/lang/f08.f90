! f08: MPI from Fortran by the module mpi_f08: typed handles, optional ierror, callbacks with interfaces, sections, windows.
module f08_callbacks
  use mpi_f08
  use check
  use, intrinsic :: iso_c_binding
  implicit none
  integer :: copies = 0, deletes = 0, handled = 0, last_class = -1, op_calls = 0
contains
  subroutine modular_sum(invec, inoutvec, len, datatype)
    type(c_ptr), value :: invec, inoutvec
    integer :: len
    type(MPI_Datatype) :: datatype
    integer(int64), pointer :: a(:), b(:)
    call expect(datatype == MPI_INTEGER8, 'the type that an operation sees')
    call c_f_pointer(invec, a, [len])
    call c_f_pointer(inoutvec, b, [len])
    b = modulo(a + b, 1000003_int64)
    op_calls = op_calls + 1
  end subroutine

  subroutine copy_attribute(oldcomm, comm_keyval, extra_state, attribute_val_in, attribute_val_out, flag, ierror)
    type(MPI_Comm) :: oldcomm
    integer :: comm_keyval, ierror
    integer(kind=MPI_ADDRESS_KIND) :: extra_state, attribute_val_in, attribute_val_out
    logical :: flag
    call expect(extra_state == 1234567890123_int64, 'extra state of an attribute')
    attribute_val_out = attribute_val_in + 1
    flag = .true.
    copies = copies + 1
    ierror = MPI_SUCCESS
  end subroutine

  subroutine delete_attribute(comm, comm_keyval, attribute_val, extra_state, ierror)
    type(MPI_Comm) :: comm
    integer :: comm_keyval, ierror
    integer(kind=MPI_ADDRESS_KIND) :: attribute_val, extra_state
    deletes = deletes + 1
    ierror = MPI_SUCCESS
  end subroutine

  subroutine on_error(comm, error_code)
    type(MPI_Comm) :: comm
    integer :: error_code
    call MPI_Error_class(error_code, last_class)
    handled = handled + 1
  end subroutine
end module

program f08
  use f08_callbacks
  implicit none
  type(MPI_Comm) :: mine, grid, half
  type(MPI_Op) :: op
  type(MPI_Errhandler) :: handler
  type(MPI_Datatype) :: record
  type(MPI_Request) :: persistent(2)
  type(MPI_Info) :: kept
  type(MPI_Win) :: win
  real(real64), pointer :: shared(:)
  integer(int64), asynchronous :: out_cell, in_cell
  integer :: keyval, up, down
  integer(int64) :: k

  call parse()
  call MPI_Init()
  call MPI_Comm_rank(MPI_COMM_WORLD, me)
  call MPI_Comm_size(MPI_COMM_WORLD, np)
  up = modulo(me + 1, np)
  down = modulo(me - 1, np)
  call make()
  do k = 0, steps - 1
    call sentinels()
    call reductions()
    call attributes()
    call strings()
    call completions()
    call sections()
    call windows()
    call end_step(k)
  end do
  call expect(op_calls > 0, 'the operation was never called')
  call finish()

contains

  subroutine make()
    type(c_ptr) :: base
    call MPI_Op_create(modular_sum, .true., op)
    call MPI_Comm_create_keyval(copy_attribute, delete_attribute, keyval, 1234567890123_MPI_ADDRESS_KIND)
    call MPI_Comm_dup(MPI_COMM_WORLD, mine)
    call MPI_Comm_set_attr(mine, keyval, 77_MPI_ADDRESS_KIND)
    call MPI_Comm_create_errhandler(on_error, handler)
    call MPI_Comm_set_errhandler(mine, handler)
    call MPI_Comm_set_name(mine, 'a name of ours   ')
    call MPI_Cart_create(MPI_COMM_WORLD, 1, [np], [.true.], .false., grid)
    call MPI_Comm_split(MPI_COMM_WORLD, modulo(me, 2), me, half)
    call MPI_Type_vector(5, 2, 4, MPI_DOUBLE_PRECISION, record)
    call MPI_Type_commit(record)
    call MPI_Send_init(out_cell, 1, MPI_INTEGER8, up, 5, MPI_COMM_WORLD, persistent(1))
    call MPI_Recv_init(in_cell, 1, MPI_INTEGER8, down, 5, MPI_COMM_WORLD, persistent(2))
    call MPI_Info_create(kept)
    call MPI_Info_set(kept, 'colour  ', ' dark green ')
    call MPI_Win_allocate(int(8 * 16, MPI_ADDRESS_KIND), 8, MPI_INFO_NULL, MPI_COMM_WORLD, base, win)
    call c_f_pointer(base, shared, [16])
    shared = -1
  end subroutine

  subroutine sentinels()
    integer(kind=MPI_ADDRESS_KIND) :: at(2)
    type(MPI_Datatype) :: absolute
    type(MPI_Request) :: reqs(2)
    integer :: all(0:63), r, ierr
    integer(int64), asynchronous, save :: whole
    real(real64), asynchronous, save :: broken
    whole = k * 10 + me
    broken = me + 0.25d0 * k
    call MPI_Get_address(whole, at(1))
    call MPI_Get_address(broken, at(2))
    call MPI_Type_create_struct(2, [1, 1], at, [MPI_INTEGER8, MPI_DOUBLE_PRECISION], absolute)
    call MPI_Type_commit(absolute)
    call MPI_Sendrecv_replace(MPI_BOTTOM, 1, absolute, up, 1, down, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE)
    if (.not. MPI_ASYNC_PROTECTS_NONBLOCKING) call MPI_F_sync_reg(whole)
    call expect(whole == k * 10 + down .and. broken == down + 0.25d0 * k, 'a message at MPI_BOTTOM')
    call MPI_Type_free(absolute)
    call expect(absolute == MPI_DATATYPE_NULL, 'a freed type')
    all = -1
    all(me) = int(k) + me
    call MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, 1, MPI_INTEGER, MPI_COMM_WORLD, ierr)
    call expect(ierr == MPI_SUCCESS, 'ierror')
    do r = 0, np - 1
      call expect(all(r) == k + r, 'allgather in place')
    end do
    call MPI_Allreduce(MPI_IN_PLACE, all, np, MPI_INTEGER, MPI_MAX, MPI_COMM_WORLD)
    call MPI_Isend(all(0), 1, MPI_INTEGER, up, 2, MPI_COMM_WORLD, reqs(1))
    call MPI_Irecv(all(1), 1, MPI_INTEGER, down, 2, MPI_COMM_WORLD, reqs(2))
    call MPI_Waitall(2, reqs, MPI_STATUSES_IGNORE)
    call expect(all(1) == k .and. reqs(1) == MPI_REQUEST_NULL, 'waitall without statuses')
    call mix(whole + all(1))
  end subroutine

  subroutine reductions()
    integer(int64) :: in(20), out(20), want
    type(MPI_Request) :: req
    integer :: i, r
    in = [(modulo((me + 1) * 7919_int64 * (i + k), 1000003_int64), i=1, 20)]
    call MPI_Allreduce(in, out, 20, MPI_INTEGER8, op, MPI_COMM_WORLD)
    want = 0
    do r = 0, np - 1
      want = modulo(want + modulo((r + 1) * 7919_int64 * (20 + k), 1000003_int64), 1000003_int64)
    end do
    call expect(out(20) == want, 'a sum by our operation')
    call MPI_Iallreduce(in, out, 20, MPI_INTEGER8, op, half, req)
    call MPI_Wait(req, MPI_STATUS_IGNORE)
    call mix(want + out(3))
  end subroutine

  subroutine attributes()
    type(MPI_Comm) :: twin
    integer(kind=MPI_ADDRESS_KIND) :: value
    logical :: found
    integer :: word, before
    call MPI_Comm_dup(mine, twin)
    call MPI_Comm_get_attr(twin, keyval, value, found)
    call expect(found .and. value == 78, 'a copied attribute')
    call MPI_Comm_free(twin)
    call expect(copies == k + 1 .and. deletes == k + 1, 'calls of attribute functions')
    call MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, value, found)
    call expect(found .and. value >= 32767, 'MPI_TAG_UB')
    before = handled
    call MPI_Send(word, 1, MPI_INTEGER, np + 7, 0, mine)
    call expect(handled == before + 1 .and. last_class == MPI_ERR_RANK, 'our error handler')
  end subroutine

  subroutine strings()
    character(len=MPI_MAX_OBJECT_NAME) :: name
    character(len=20) :: value
    character(len=MPI_MAX_ERROR_STRING) :: text
    integer :: n
    logical :: found
    name = repeat('x', len(name))
    call MPI_Comm_get_name(mine, name, n)
    call expect(name == 'a name of ours' .and. n == 14, 'a name')
    value = repeat('x', len(value))
    call MPI_Info_get(kept, 'colour', len(value), value, found)
    call expect(found .and. value == 'dark green', 'an info value')
    call MPI_Error_string(MPI_ERR_RANK, text, n)
    call expect(n > 0 .and. len_trim(text) == n, 'an error string and its length')
  end subroutine

  subroutine completions()
    type(MPI_Request) :: reqs(3)
    type(MPI_Status) :: status, statuses(3)
    type(MPI_Message) :: message
    integer, asynchronous :: box(3)
    integer :: i, at, n, done, indices(3), seen
    out_cell = k * 3 + me
    in_cell = -1
    call MPI_Startall(2, persistent)
    call MPI_Waitall(2, persistent, statuses)
    call expect(in_cell == k * 3 + down .and. statuses(2)%MPI_SOURCE == down .and. statuses(2)%MPI_TAG == 5, 'a persistent receive')
    do i = 1, 3
      call MPI_Irecv(box(i), 1, MPI_INTEGER, down, 10 + i, MPI_COMM_WORLD, reqs(i))
    end do
    call MPI_Send(int(k), 1, MPI_INTEGER, up, 12, MPI_COMM_WORLD)
    call MPI_Waitany(3, reqs, at, status)
    ! MPICH 4.0 counts the index from 0 here, so only the tag is checked.
    call expect(status%MPI_TAG == 12 .and. box(2) == k .and. reqs(2) == MPI_REQUEST_NULL, 'waitany')
    call MPI_Barrier(mine) ! the next two must not overtake that one
    call MPI_Send(int(k + 1), 1, MPI_INTEGER, up, 11, MPI_COMM_WORLD)
    call MPI_Send(int(k + 2), 1, MPI_INTEGER, up, 13, MPI_COMM_WORLD)
    seen = 0
    do while (seen < 2)
      call MPI_Waitsome(3, reqs, done, indices, statuses)
      do i = 1, done
        at = statuses(i)%MPI_TAG - 10
        call expect((at == 1 .or. at == 3) .and. box(at) == k + (at + 1) / 2, 'waitsome')
      end do
      seen = seen + done
    end do
    call MPI_Isend(box(1), 1, MPI_INTEGER, up, 20, mine, reqs(1))
    call MPI_Mprobe(down, MPI_ANY_TAG, mine, message, status)
    call MPI_Get_count(status, MPI_INTEGER, n)
    call expect(n == 1 .and. status%MPI_SOURCE == down .and. status%MPI_TAG == 20, 'mprobe')
    call MPI_Mrecv(box(3), 1, MPI_INTEGER, message, MPI_STATUS_IGNORE)
    call MPI_Wait(reqs(1), MPI_STATUS_IGNORE)
    call expect(box(3) == k + 1 .and. message == MPI_MESSAGE_NULL, 'mrecv')
  end subroutine

  subroutine sections()
    real(real64), asynchronous :: a(20), b(20), m(6, 6)
    type(MPI_Request) :: reqs(2)
    integer :: left, right, i
    a = [(me * 100 + k + i, i=1, 20)]
    b = -1
    call MPI_Cart_shift(grid, 0, 1, left, right)
    call MPI_Sendrecv(a(1:19:2), 10, MPI_DOUBLE_PRECISION, right, 3, b(2:20:2), 10, MPI_DOUBLE_PRECISION, left, 3, &
      grid, MPI_STATUS_IGNORE)
    call expect(all(b(2:20:2) == [(left * 100 + k + i, i=1, 19, 2)]) .and. all(b(1:19:2) == -1), 'sections of arrays')
    b = -1
    call MPI_Sendrecv(a, 1, record, right, 4, b, 1, record, left, 4, grid, MPI_STATUS_IGNORE)
    call expect(b(1) == left * 100 + k + 1 .and. b(6) == left * 100 + k + 6 .and. b(3) == -1, 'a vector type')
    m = me
    if (me == 0) m(2, :) = k
    call MPI_Bcast(m(2, :), 6, MPI_DOUBLE_PRECISION, 0, MPI_COMM_WORLD)
    call expect(all(m(2, :) == k) .and. all(m(3, :) == me), 'a row of a matrix')
    if (MPI_SUBARRAYS_SUPPORTED) then
      b = -1
      call MPI_Irecv(b(1:20:3), 7, MPI_DOUBLE_PRECISION, left, 8, grid, reqs(1))
      call MPI_Isend(a(2:20:3), 7, MPI_DOUBLE_PRECISION, right, 8, grid, reqs(2))
      call MPI_Waitall(2, reqs, MPI_STATUSES_IGNORE)
      call expect(all(b(1:19:3) == [(left * 100 + k + i, i=2, 20, 3)]) .and. b(2) == -1, 'sections without blocking')
    end if
  end subroutine

  subroutine windows()
    real(real64) :: mark(2)
    mark = [k + 0.5d0, real(me, real64)]
    call MPI_Win_fence(0, win)
    call MPI_Put(mark, 2, MPI_DOUBLE_PRECISION, up, int(modulo(k, 8_int64) * 2, MPI_ADDRESS_KIND), 2, MPI_DOUBLE_PRECISION, win)
    call MPI_Win_fence(0, win)
    call expect(shared(1 + 2 * modulo(k, 8_int64)) == k + 0.5d0 .and. shared(2 + 2 * modulo(k, 8_int64)) == down, 'a window')
    if (k > 8) call expect(shared(1 + 2 * modulo(k - 3, 8_int64)) == k - 2.5d0, 'an older number in a window')
  end subroutine

  subroutine finish()
    integer(int64) :: total
    call MPI_Reduce(digest, total, 1, MPI_INTEGER8, MPI_SUM, 0, MPI_COMM_WORLD)
    if (me == 0) write (output_unit, '(a,i0,a,i0)') 'RESULT f08 ', np, ' ', total
    flush (output_unit)
    call MPI_Win_free(win)
    call MPI_Request_free(persistent(1))
    call MPI_Request_free(persistent(2))
    call MPI_Op_free(op)
    call MPI_Type_free(record)
    call MPI_Finalize()
  end subroutine
end program
