/* cxx: iostream, containers, threads and exceptions beside MPI; with BINDINGS also the MPI:: classes. Called as ../mpi/check.h says.
 * flags: -std=c++17 -O2 -g -Wall -Wno-cast-function-type -Wno-stringop-overflow */
#include <mpi.h>

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static int me, np;
static std::uint64_t digest = 17;

struct mpi_error : std::runtime_error {
	int code;
	explicit mpi_error(int c) : std::runtime_error(text(c)), code(c) {}
	static std::string text(int c)
	{
		char s[MPI_MAX_ERROR_STRING];
		int n = 0;
		MPI_Error_string(c, s, &n);
		return std::string(s, n);
	}
};

static void check(int rc)
{
	if (rc != MPI_SUCCESS)
		throw mpi_error(rc);
}

static void expect(bool good, const std::string &what)
{
	if (!good)
		throw std::logic_error("rank " + std::to_string(me) + ": " + what);
}

static void mix(std::uint64_t v) { digest = (digest ^ v) * 1099511628211u; }

/* A communicator that an exception on its way frees. */
class communicator {
	MPI_Comm c = MPI_COMM_NULL;

public:
	static int living;
	communicator(MPI_Comm of, int colour)
	{
		check(MPI_Comm_split(of, colour, me, &c));
		MPI_Comm_set_errhandler(c, MPI_ERRORS_RETURN);
		living++;
	}
	communicator(const communicator &) = delete;
	~communicator()
	{
		MPI_Comm_free(&c);
		living--;
	}
	operator MPI_Comm() const { return c; }
};
int communicator::living;

/* failing throws through a stack of destructors, some of which call MPI. */
static void failing(long k, int depth)
{
	communicator part(MPI_COMM_WORLD, 0);
	std::vector<int> v(100, me);

	if (depth > 0)
		return failing(k, depth - 1);
	check(MPI_Send(v.data(), 1, MPI_INT, np + 3, 0, part));
}

static void exceptions(long k)
{
	int before = communicator::living;

	try {
		failing(k, 3);
		expect(false, "no exception");
	} catch (const mpi_error &e) {
		int cls;
		MPI_Error_class(e.code, &cls);
		expect(cls == MPI_ERR_RANK && *e.what(), std::string("class of ") + e.what());
	}
	expect(communicator::living == before, "a communicator outlived its scope");
}

static void strings(long k, MPI_Comm ring)
{
	std::ostringstream out;
	out << "step " << k << " of rank " << me << ' ' << std::hex << digest * 0 + k * 255;
	std::string mine = out.str();
	int n = mine.size(), left = (me + np - 1) % np, right = (me + 1) % np;
	MPI_Request req;
	MPI_Status st;

	check(MPI_Isend(mine.data(), n, MPI_CHAR, right, 7, ring, &req));
	check(MPI_Probe(left, 7, ring, &st));
	check(MPI_Get_count(&st, MPI_CHAR, &n));
	std::string got(n, ' ');
	check(MPI_Recv(got.data(), n, MPI_CHAR, left, 7, ring, MPI_STATUS_IGNORE));
	check(MPI_Wait(&req, MPI_STATUS_IGNORE));
	std::istringstream in(got);
	std::string word;
	long step;
	int from;
	in >> word >> step >> word >> word >> from;
	expect(in && step == k && from == left, "a line: " + got);
	for (char c : got)
		mix(c);
}

/* A thread of the program's own fills what the main thread sends. */
static void threads(long k)
{
	std::map<int, std::vector<double>> rows;
	std::thread filler([&] {
		for (int r = 0; r < 4; r++) {
			rows[r].resize(50);
			std::iota(rows[r].begin(), rows[r].end(), k + r + me);
		}
	});
	filler.join();
	for (auto &[r, row] : rows) {
		check(MPI_Allreduce(MPI_IN_PLACE, row.data(), row.size(), MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD));
		expect(row[7] == np * (k + r + 7) + np * (np - 1) / 2, "a sum of rows");
		mix(static_cast<std::uint64_t>(row[7]));
	}
}

#ifdef BINDINGS
static int twice(const MPI::Comm &, int, void *, void *in, void *out, bool &flag)
{
	*static_cast<void **>(out) = static_cast<char *>(in) + 1;
	flag = true;
	return MPI_SUCCESS;
}

static void longest(const void *in, void *inout, int n, const MPI::Datatype &)
{
	auto *a = static_cast<const long *>(in);
	auto *b = static_cast<long *>(inout);
	for (int i = 0; i < n; i++)
		b[i] = std::max(a[i], b[i]);
}

[[maybe_unused]] static int handled;

[[maybe_unused]] static void handle(MPI::Comm &, int *, ...)
{
	handled++;
}

/* Objects of the classes live through the whole run. */
struct bound {
	MPI::Intracomm ring = MPI::COMM_WORLD.Dup();
	MPI::Op op;
	MPI::Prequest out, in;
	int key = MPI::Comm::Create_keyval(twice, MPI::Comm::NULL_DELETE_FN, nullptr);
	long sent = 0, got = 0;
	bound()
	{
		op.Init(longest, true);
		ring.Set_attr(key, reinterpret_cast<void *>(41));
		out = ring.Send_init(&sent, 1, MPI::LONG, (me + 1) % np, 3);
		in = ring.Recv_init(&got, 1, MPI::LONG, (me + np - 1) % np, 3);
	}
	~bound()
	{
		out.Free();
		in.Free();
		op.Free();
		ring.Free();
	}
	void step(long k)
	{
		sent = k * 100 + me;
		MPI::Prequest both[2] = {in, out};
		MPI::Prequest::Startall(2, both);
		MPI::Request wait[2] = {both[0], both[1]};
		MPI::Request::Waitall(2, wait);
		expect(got == k * 100 + (me + np - 1) % np, "a persistent receive");
		long most = 0;
		ring.Allreduce(&sent, &most, 1, MPI::LONG, op);
		expect(most == k * 100 + np - 1, "an operation of the class");
		MPI::Intracomm twin = ring.Dup();
		void *value = nullptr;
		expect(twin.Get_attr(key, &value) && value == reinterpret_cast<void *>(42), "a copied attribute");
		throwing(twin);
		twin.Free();
		mix(most);
	}
	/* Open MPI's library throws from an error handler in C++, which is not offered. */
	void throwing([[maybe_unused]] MPI::Intracomm &c)
	{
#ifdef MPICH_VERSION
		int thrown = MPI_SUCCESS;
		c.Set_errhandler(MPI::ERRORS_THROW_EXCEPTIONS);
		try {
			c.Send(&sent, 1, MPI::LONG, np + 3, 0);
		} catch (MPI::Exception &e) {
			thrown = e.Get_error_class();
		}
		expect(thrown == MPI_ERR_RANK, "no exception of the class");
		MPI::Errhandler h = MPI::Comm::Create_errhandler(handle);
		c.Set_errhandler(h);
		h.Free();
		handled = 0;
		c.Iprobe(np, 0);
		expect(handled == 1, "an error handler of the class called " + std::to_string(handled) + " times");
#endif
	}
};
#else
struct bound {
	void step(long) {}
};
#endif

static void run(long steps, useconds_t pause)
{
	const char *hurry = std::getenv("MANAE2E_HURRY");
	communicator ring(MPI_COMM_WORLD, 1);
	auto classes = std::make_unique<bound>();

	for (long k = 0; k < steps; k++) {
		exceptions(k);
		strings(k, ring);
		threads(k);
		classes->step(k);
		if (me == 0)
			std::cout << "step " << k << std::endl;
		if (pause && !(hurry && access(hurry, F_OK) == 0))
			usleep(pause);
	}
	std::uint64_t all = 0;
	check(MPI_Reduce(&digest, &all, 1, MPI_UINT64_T, MPI_BXOR, 0, ring));
	if (me == 0)
		std::cout << "RESULT cxx " << np << ' ' << std::hex << all << std::endl;
}

int main(int argc, char **argv)
{
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &me);
	MPI_Comm_size(MPI_COMM_WORLD, &np);
	try {
		run(argc > 1 ? std::atol(argv[1]) : 100, argc > 2 ? std::atol(argv[2]) : 0);
	} catch (const std::exception &e) {
		std::cerr << "FAIL " << e.what() << std::endl;
		MPI_Abort(MPI_COMM_WORLD, 3);
	}
	MPI_Finalize();
}
