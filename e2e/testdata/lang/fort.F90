! fort: MPI from Fortran by mpif.h, or by the module (USE_MPI): sentinels, callbacks, strings, sections and every kind of completion.
! All arguments are 4-byte integers, also where the default kind is 8 bytes wide (-fdefault-integer-8).
#ifdef USE_MPI
#define MPI_DECLARATIONS use mpi
#define MPI_INCLUDE
#else
#define MPI_DECLARATIONS
#define MPI_INCLUDE include 'mpif.h'
#endif
module callbacks
  use check
  implicit none
  integer(int32) :: copies = 0, deletes = 0, handled = 0, last_class = -1, op_calls = 0
end module

! The sum of pairs modulo a prime.
subroutine modular_sum(in, inout, n, type)
  use callbacks
  implicit none
  integer(int32) :: n, type, i
  integer(int64) :: in(*), inout(*)
  op_calls = op_calls + 1
  do i = 1, n
    inout(i) = modulo(in(i) + inout(i), 1000003_int64)
  end do
end subroutine

subroutine copy_attribute(comm, keyval, extra, value_in, value_out, flag, ierror)
  MPI_DECLARATIONS
  use callbacks
  implicit none
  MPI_INCLUDE
  integer(int32) :: comm, keyval, ierror
  integer(kind=MPI_ADDRESS_KIND) :: extra, value_in, value_out
  logical(int32) :: flag
  call expect(extra == 1234567890123_int64, 'extra state of an attribute')
  value_out = value_in + 1
  flag = .true.
  copies = copies + 1
  ierror = MPI_SUCCESS
end subroutine

subroutine delete_attribute(comm, keyval, value, extra, ierror)
  MPI_DECLARATIONS
  use callbacks
  implicit none
  MPI_INCLUDE
  integer(int32) :: comm, keyval, ierror
  integer(kind=MPI_ADDRESS_KIND) :: extra, value
  deletes = deletes + 1
  ierror = MPI_SUCCESS
end subroutine

subroutine on_error(comm, code)
  MPI_DECLARATIONS
  use callbacks
  implicit none
  MPI_INCLUDE
  integer(int32) :: comm, code, ierr
  handled = handled + 1
  call MPI_Error_class(code, last_class, ierr)
end subroutine

program fort
  MPI_DECLARATIONS
  use callbacks
  implicit none
  MPI_INCLUDE
  external modular_sum, copy_attribute, delete_attribute, on_error
  integer(int32) :: ierr, op, keyval, mine, grid, half, record, handler, persistent(2), kept_info, up, down, four
  integer(int64) :: k, out_cell, in_cell
  common /cells/ out_cell, in_cell ! the persistent requests' buffers

  call parse()
  call MPI_Init(ierr)
  call MPI_Comm_rank(MPI_COMM_WORLD, me, ierr)
  call MPI_Comm_size(MPI_COMM_WORLD, np, ierr)
  up = modulo(me + 1_int32, np)
  down = modulo(me - 1_int32, np)
  call make()
  do k = 0, steps - 1
    call sentinels()
    call reductions()
    call attributes()
    call errors()
    call strings()
    call completions()
    call sections()
    call groups()
    call end_step(k)
  end do
  call expect(op_calls > 0, 'the operation was never called')
  call finish()

contains

  subroutine make()
    integer(int32) :: periods_dims(1)
    logical(int32) :: periods(1)
    four = 1
    call MPI_Op_create(modular_sum, .true., op, ierr)
    call MPI_Comm_create_keyval(copy_attribute, delete_attribute, keyval, int(1234567890123_int64, MPI_ADDRESS_KIND), ierr)
    call MPI_Comm_dup(MPI_COMM_WORLD, mine, ierr)
    call MPI_Comm_set_attr(mine, keyval, int(77, MPI_ADDRESS_KIND), ierr)
    call MPI_Comm_create_errhandler(on_error, handler, ierr)
    call MPI_Comm_set_errhandler(mine, handler, ierr)
    call MPI_Comm_set_name(mine, 'a name of ours   ', ierr)
    periods_dims(1) = np
    periods(1) = .true.
    call MPI_Cart_create(MPI_COMM_WORLD, four, periods_dims, periods, .false._int32, grid, ierr)
    call MPI_Comm_split(MPI_COMM_WORLD, modulo(me, 2_int32), me, half, ierr)
    call MPI_Type_vector(5_int32, 2_int32, 4_int32, MPI_DOUBLE_PRECISION, record, ierr)
    call MPI_Type_commit(record, ierr)
    call MPI_Send_init(out_cell, four, MPI_INTEGER8, up, 5_int32, MPI_COMM_WORLD, persistent(1), ierr)
    call MPI_Recv_init(in_cell, four, MPI_INTEGER8, down, 5_int32, MPI_COMM_WORLD, persistent(2), ierr)
    call MPI_Info_create(kept_info, ierr)
    call MPI_Info_set(kept_info, 'colour  ', ' dark green ', ierr)
  end subroutine

  ! MPI_BOTTOM with absolute addresses, MPI_STATUS_IGNORE, MPI_STATUSES_IGNORE, MPI_IN_PLACE.
  subroutine sentinels()
    integer(kind=MPI_ADDRESS_KIND) :: at(2)
    integer(int32) :: lengths(2), types(2), absolute, reqs(2), all(0:63), r
    integer(int64), asynchronous, save :: whole
    real(real64), asynchronous, save :: broken
    whole = k * 10 + me
    broken = me + 0.25d0 * k
    call MPI_Get_address(whole, at(1), ierr)
    call MPI_Get_address(broken, at(2), ierr)
    lengths = 1
    types(1) = MPI_INTEGER8
    types(2) = MPI_DOUBLE_PRECISION
    call MPI_Type_create_struct(2_int32, lengths, at, types, absolute, ierr)
    call MPI_Type_commit(absolute, ierr)
    call MPI_Sendrecv_replace(MPI_BOTTOM, four, absolute, up, 1_int32, down, 1_int32, MPI_COMM_WORLD, MPI_STATUS_IGNORE, ierr)
    call MPI_Get_address(whole, at(1), ierr) ! whole may have changed
    call expect(whole == k * 10 + down .and. broken == down + 0.25d0 * k, 'a message at MPI_BOTTOM')
    call MPI_Type_free(absolute, ierr)
    call expect(absolute == MPI_DATATYPE_NULL, 'a freed type')
    all = -1
    all(me) = int(k, int32) + me
    call MPI_Allgather(MPI_IN_PLACE, 0_int32, MPI_DATATYPE_NULL, all, four, MPI_INTEGER4, MPI_COMM_WORLD, ierr)
    do r = 0, np - 1_int32
      call expect(all(r) == k + r, 'allgather in place')
    end do
    call MPI_Allreduce(MPI_IN_PLACE, all, np, MPI_INTEGER4, MPI_MAX, MPI_COMM_WORLD, ierr)
    call MPI_Isend(all(0), four, MPI_INTEGER4, up, 2_int32, MPI_COMM_WORLD, reqs(1), ierr)
    call MPI_Irecv(all(1), four, MPI_INTEGER4, down, 2_int32, MPI_COMM_WORLD, reqs(2), ierr)
    call MPI_Waitall(2_int32, reqs, MPI_STATUSES_IGNORE, ierr)
    call expect(all(1) == k .and. reqs(1) == MPI_REQUEST_NULL, 'waitall without statuses')
    call mix(whole + all(1))
  end subroutine

  subroutine reductions()
    integer(int64) :: in(20), out(20), want
    integer(int32) :: i, r, req
    logical(int32) :: some, any_one
    real(real64) :: place(2), best(2)
    complex(real64) :: z, total
    in = [(modulo((me + 1) * 7919_int64 * (i + k), 1000003_int64), i=1, 20)]
    call MPI_Allreduce(in, out, 20_int32, MPI_INTEGER8, op, MPI_COMM_WORLD, ierr)
    do i = 1, 20
      want = 0
      do r = 0, np - 1_int32
        want = modulo(want + modulo((r + 1) * 7919_int64 * (i + k), 1000003_int64), 1000003_int64)
      end do
      call expect(out(i) == want, 'a sum by our operation')
    end do
    call MPI_Iallreduce(in, out, 20_int32, MPI_INTEGER8, op, mine, req, ierr)
    call MPI_Wait(req, MPI_STATUS_IGNORE, ierr)
    call expect(out(20) == want, 'a nonblocking sum by our operation')
    some = modulo(me + k, 3_int64) == 0
    call MPI_Allreduce(some, any_one, four, MPI_LOGICAL, MPI_LOR, MPI_COMM_WORLD, ierr)
    call expect(.not. some .or. any_one, 'a logical or')
    place = [real(modulo(me * 5 + k, 7_int64), real64), real(me, real64)]
    call MPI_Allreduce(place, best, four, MPI_2DOUBLE_PRECISION, MPI_MAXLOC, MPI_COMM_WORLD, ierr)
    call expect(best(1) >= place(1), 'the place of a maximum')
    z = cmplx(me, k, real64)
    call MPI_Allreduce(z, total, four, MPI_DOUBLE_COMPLEX, MPI_SUM, MPI_COMM_WORLD, ierr)
    call expect(total == cmplx(np * (np - 1) / 2, np * k, real64), 'a complex sum')
    call mix(out(7) + int(best(2), int64))
  end subroutine

  subroutine attributes()
    integer(int32) :: twin
    integer(kind=MPI_ADDRESS_KIND) :: value
    logical(int32) :: found
    call MPI_Comm_dup(mine, twin, ierr)
    call MPI_Comm_get_attr(twin, keyval, value, found, ierr)
    call expect(found .and. value == 78, 'a copied attribute')
    call MPI_Comm_free(twin, ierr)
    call expect(copies == k + 1 .and. deletes == k + 1, 'calls of attribute functions')
    call MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, value, found, ierr)
    call expect(found .and. value >= 32767, 'MPI_TAG_UB')
  end subroutine

  subroutine errors()
    integer(int32) :: word, n, before, code
    character(len=MPI_MAX_ERROR_STRING) :: text
    before = handled
    word = 0
    call MPI_Send(word, four, MPI_INTEGER4, np + 7_int32, 0_int32, mine, code)
    call expect(handled == before + 1 .and. last_class == MPI_ERR_RANK, 'our error handler')
    text = ''
    call MPI_Error_string(code, text, n, ierr)
    call expect(n > 0 .and. len_trim(text) == n, 'an error string and its length')
  end subroutine

  subroutine strings()
    character(len=MPI_MAX_OBJECT_NAME) :: name
    character(len=20) :: value
    character(len=MPI_MAX_PROCESSOR_NAME) :: host
    character(len=11) :: letters
    integer(int32) :: n
    logical(int32) :: found
    name = repeat('x', len(name))
    call MPI_Comm_get_name(mine, name, n, ierr)
    call expect(name == 'a name of ours' .and. n == 14, 'a name')
    value = repeat('x', len(value))
    call MPI_Info_get(kept_info, 'colour', int(len(value), int32), value, found, ierr)
    call expect(found .and. value == 'dark green', 'an info value')
    call MPI_Info_get(kept_info, 'size', int(len(value), int32), value, found, ierr)
    call expect(.not. found, 'an absent info key')
    call MPI_Get_processor_name(host, n, ierr)
    call expect(n > 0 .and. n == len_trim(host), 'the processor name')
    write (letters, '(a,i4.4)') 'letters', modulo(k, 10000_int64)
    if (me /= 0) letters = ''
    call MPI_Bcast(letters, int(len(letters), int32), MPI_CHARACTER, 0_int32, MPI_COMM_WORLD, ierr)
    call expect(letters(:7) == 'letters', 'characters')
  end subroutine

  ! Persistent requests, indices that begin at one, statuses, probes.
  subroutine completions()
    integer(int32) :: reqs(3), box(3), at, status(MPI_STATUS_SIZE), statuses(MPI_STATUS_SIZE, 3), n, done, indices(3), seen, i
    logical(int32) :: flag
    out_cell = k * 3 + me
    in_cell = -1
    call MPI_Startall(2_int32, persistent, ierr)
    call MPI_Waitall(2_int32, persistent, statuses, ierr)
    call expect(in_cell == k * 3 + down, 'a persistent receive')
    call expect(statuses(MPI_SOURCE, 2) == down .and. statuses(MPI_TAG, 2) == 5, 'the status of a persistent receive')
    do i = 1, 3
      call MPI_Irecv(box(i), four, MPI_INTEGER4, down, 10 + i, MPI_COMM_WORLD, reqs(i), ierr)
    end do
    call MPI_Send(int(k, int32), four, MPI_INTEGER4, up, 12_int32, MPI_COMM_WORLD, ierr)
    call MPI_Waitany(3_int32, reqs, at, status, ierr)
    call expect(at == 2 .and. status(MPI_TAG) == 12 .and. box(2) == k .and. reqs(2) == MPI_REQUEST_NULL, 'waitany')
    call MPI_Barrier(mine, ierr) ! the next two must not overtake that one
    call MPI_Send(int(k + 1, int32), four, MPI_INTEGER4, up, 11_int32, MPI_COMM_WORLD, ierr)
    call MPI_Send(int(k + 2, int32), four, MPI_INTEGER4, up, 13_int32, MPI_COMM_WORLD, ierr)
    seen = 0
    do while (seen < 2)
      call MPI_Waitsome(3_int32, reqs, done, indices, statuses, ierr)
      do i = 1, done
        call expect(box(indices(i)) == k + (indices(i) + 1) / 2 .and. statuses(MPI_TAG, i) == 10 + indices(i), 'waitsome')
      end do
      seen = seen + done
    end do
    call MPI_Isend(box(1), four, MPI_INTEGER4, up, 20_int32, mine, reqs(1), ierr)
    call MPI_Probe(down, MPI_ANY_TAG, mine, status, ierr)
    call MPI_Get_count(status, MPI_INTEGER4, n, ierr)
    call expect(n == 1 .and. status(MPI_SOURCE) == down .and. status(MPI_TAG) == 20, 'probe')
    call MPI_Recv(box(3), four, MPI_INTEGER4, MPI_ANY_SOURCE, 20_int32, mine, status, ierr)
    flag = .false.
    do while (.not. flag)
      call MPI_Testall(1_int32, reqs, flag, MPI_STATUSES_IGNORE, ierr)
    end do
    call expect(box(3) == k + 1 .and. reqs(1) == MPI_REQUEST_NULL, 'testall')
  end subroutine

  ! Sections of arrays, a vector type, packing, a grid.
  subroutine sections()
    real(real64) :: a(20), b(20), m(6, 6)
    integer(int32) :: position, left, right, i, words(2)
    integer(int32), parameter :: room = 256
    character(len=1) :: bytes(room)
    a = [(me * 100 + k + i, i=1, 20)]
    b = -1
    call MPI_Cart_shift(grid, 0_int32, 1_int32, left, right, ierr)
    call MPI_Sendrecv(a(1:19:2), 10_int32, MPI_DOUBLE_PRECISION, right, 3_int32, b(2:20:2), 10_int32, &
      MPI_DOUBLE_PRECISION, left, 3_int32, grid, MPI_STATUS_IGNORE, ierr)
    call expect(all(b(2:20:2) == [(left * 100 + k + i, i=1, 19, 2)]) .and. all(b(1:19:2) == -1), 'sections of arrays')
    b = -1
    call MPI_Sendrecv(a, four, record, right, 4_int32, b, four, record, left, 4_int32, grid, MPI_STATUS_IGNORE, ierr)
    call expect(b(1) == left * 100 + k + 1 .and. b(6) == left * 100 + k + 6 .and. b(3) == -1, 'a vector type')
    m = me
    if (me == 0) m(2, :) = k
    call MPI_Bcast(m(2, :), 6_int32, MPI_DOUBLE_PRECISION, 0_int32, MPI_COMM_WORLD, ierr)
    call expect(all(m(2, :) == k) .and. all(m(3, :) == me), 'a row of a matrix')
    position = 0
    call MPI_Pack(int(k, int32), four, MPI_INTEGER4, bytes, room, position, MPI_COMM_WORLD, ierr)
    call MPI_Pack(me, four, MPI_INTEGER4, bytes, room, position, MPI_COMM_WORLD, ierr)
    call MPI_Sendrecv_replace(bytes, room, MPI_PACKED, up, 6_int32, down, 6_int32, MPI_COMM_WORLD, MPI_STATUS_IGNORE, ierr)
    position = 0
    call MPI_Unpack(bytes, room, position, words, 2_int32, MPI_INTEGER4, MPI_COMM_WORLD, ierr)
    call expect(words(1) == k .and. words(2) == down, 'packed numbers')
  end subroutine

  subroutine groups()
    integer(int32) :: world_group, half_group, ranks(64), there(64), n, i, total
    call MPI_Comm_group(MPI_COMM_WORLD, world_group, ierr)
    call MPI_Comm_group(half, half_group, ierr)
    call MPI_Group_size(half_group, n, ierr)
    ranks(1:n) = [(i - 1_int32, i=1, n)]
    call MPI_Group_translate_ranks(half_group, n, ranks, world_group, there, ierr)
    call expect(all(modulo(there(1:n), 2_int32) == modulo(me, 2_int32)), 'ranks of the half')
    call MPI_Allreduce(me, total, four, MPI_INTEGER4, MPI_SUM, half, ierr)
    call expect(total == sum(there(1:n)), 'a sum over the half')
    call MPI_Group_free(world_group, ierr)
    call MPI_Group_free(half_group, ierr)
  end subroutine

  subroutine finish()
    integer(int64) :: total
    call MPI_Reduce(digest, total, four, MPI_INTEGER8, MPI_SUM, 0_int32, MPI_COMM_WORLD, ierr)
    if (me == 0) write (output_unit, '(a,i0,a,i0)') 'RESULT fort ', np, ' ', total
    flush (output_unit)
    call MPI_Request_free(persistent(1), ierr)
    call MPI_Request_free(persistent(2), ierr)
    call MPI_Op_free(op, ierr)
    call MPI_Type_free(record, ierr)
    call MPI_Finalize(ierr)
  end subroutine
end program
