/* refused: spawning and ports return errors, after which the program goes on; added error codes, handlers of windows and files. */
#include "check.h"

static int calls;

static void on_win(MPI_Win *win, int *code, ...) { calls += *win != MPI_WIN_NULL && *code != MPI_SUCCESS; }
static void on_file(MPI_File *file, int *code, ...) { calls += *file != MPI_FILE_NULL && *code != MPI_SUCCESS; }

int main(int argc, char **argv)
{
	MPI_Errhandler h;
	MPI_Comm child;
	MPI_Win win;
	MPI_File file;
	char port[MPI_MAX_PORT_NAME];
	int class;

	begin(argc, argv);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	for (int i = 0; i < 2; i++) { /* told once, refused twice */
		int rc = MPI_Comm_spawn("true", MPI_ARGV_NULL, 1, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &child, MPI_ERRCODES_IGNORE);
		MPI_Error_class(rc, &class);
		CHECK(class == MPI_ERR_SPAWN, "spawn: class %d", class);
	}
	CHECK(MPI_Open_port(MPI_INFO_NULL, port) != MPI_SUCCESS, "open port");

	MPI_Win_create(port, sizeof port, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &win);
	MPI_Win_create_errhandler(on_win, &h);
	MPI_Win_set_errhandler(win, h);
	MPI_Errhandler_free(&h);
	MPI_Win_call_errhandler(win, MPI_ERR_OTHER);
	CHECK(calls == 1, "handler of the window called");
	CHECK(MPI_Win_complete(win) != MPI_SUCCESS && calls == 2, "handler of the window for a wrong call: %d", calls);
	MPI_Win_free(&win);
	calls = 0;
	MPI_File_open(MPI_COMM_WORLD, "refused.file", MPI_MODE_CREATE | MPI_MODE_RDWR | MPI_MODE_DELETE_ON_CLOSE, MPI_INFO_NULL, &file);
	MPI_File_create_errhandler(on_file, &h);
	MPI_File_set_errhandler(file, h);
	MPI_Errhandler_free(&h);
	MPI_File_call_errhandler(file, MPI_ERR_IO);
	CHECK(calls == 1, "handler of the file called");
	CHECK(MPI_File_seek(file, -1, MPI_SEEK_SET) != MPI_SUCCESS && calls == 2, "handler of the file for a wrong call: %d", calls);
	MPI_File_close(&file);
	mix_long(calls);
	finish();
}
