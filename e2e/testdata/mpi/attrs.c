/* attrs: keyvals with copy and delete callbacks, predefined attributes, error handlers and info; all checked late in the run. */
#include "check.h"

static int copies, deletes, handled, last_class, forgive;

static int copy_fn(MPI_Comm c, int key, void *extra, void *in, void *out, int *flag)
{
	CHECK(extra == (void *)0x1234, "extra state %p", extra);
	*(void **)out = (char *)in + 1;
	*flag = 1;
	copies++;
	return MPI_SUCCESS;
}

static int delete_fn(MPI_Comm c, int key, void *val, void *extra)
{
	CHECK(extra == (void *)0x1234, "extra state %p", extra);
	deletes++;
	return MPI_SUCCESS;
}

static void handler(MPI_Comm *c, int *code, ...)
{
	MPI_Error_class(*code, &last_class);
	handled++;
	if (forgive)
		*code = MPI_SUCCESS;
}

static void expect(MPI_Comm c, int key, void *want)
{
	void *got = NULL;
	int flag = -1;

	MPI_Comm_get_attr(c, key, &got, &flag);
	if (want)
		CHECK(flag && got == want, "attribute %p (found %d), not %p", got, flag, want);
	else
		CHECK(!flag, "an attribute that should be absent");
}

static void predefined(void)
{
	int *p, flag;

	MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &p, &flag);
	CHECK(flag && *p >= 32767, "MPI_TAG_UB");
	MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_WTIME_IS_GLOBAL, &p, &flag);
	CHECK(!flag || *p == 0 || *p == 1, "MPI_WTIME_IS_GLOBAL %d", *p);
	MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_UNIVERSE_SIZE, &p, &flag);
	CHECK(!flag || *p >= 1, "MPI_UNIVERSE_SIZE %d", *p);
	MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_HOST, &p, &flag);
	CHECK(flag, "MPI_HOST");
}

static void errors(MPI_Comm quiet, MPI_Comm mine)
{
	char text[MPI_MAX_ERROR_STRING];
	int word = 0, rc, cls, len, before = handled;
	MPI_Errhandler eh;

	rc = MPI_Send(&word, 1, MPI_INT, np + 5, 0, quiet);
	MPI_Error_class(rc, &cls);
	CHECK(rc != MPI_SUCCESS && cls == MPI_ERR_RANK, "bad rank gave class %d", cls);
	MPI_Error_string(rc, text, &len);
	CHECK(len > 0, "no text for an error");
	rc = MPI_Send(&word, -1, MPI_INT, 0, 0, quiet);
	MPI_Error_class(rc, &cls);
	CHECK(cls == MPI_ERR_COUNT, "bad count gave class %d", cls);
	rc = MPI_Send(&word, -1, MPI_INT, MPI_PROC_NULL, 0, quiet);
	MPI_Error_class(rc, &cls);
	CHECK(cls == MPI_ERR_COUNT, "bad count to nobody gave class %d", cls);
	CHECK(handled == before, "handler of another communicator was called");
	rc = MPI_Send(&word, 1, MPI_INT, np + 5, 0, mine);
	CHECK(handled == before + 1 && last_class == MPI_ERR_RANK && rc != MPI_SUCCESS, "handler: %d calls, class %d", handled - before, last_class);
	MPI_Comm_call_errhandler(mine, MPI_ERR_OTHER);
	CHECK(handled == before + 2, "Comm_call_errhandler");
	forgive = 1;
	rc = MPI_Send(&word, 1, MPI_INT, np + 5, 0, mine);
	forgive = 0;
#ifdef MPICH_VERSION
	CHECK(rc == MPI_SUCCESS, "after its handler cleared the code the call returns %d", rc);
#else
	CHECK(rc != MPI_SUCCESS, "the handler cleared the code that the call returns");
#endif
	CHECK(handled == before + 3, "the handler was called %d times", handled - before);
	MPI_Comm_get_errhandler(quiet, &eh);
	CHECK(eh == MPI_ERRORS_RETURN, "errhandler changed");
	MPI_Errhandler_free(&eh);
	MPI_Comm_get_errhandler(MPI_COMM_WORLD, &eh);
	CHECK(eh == MPI_ERRORS_ARE_FATAL, "errhandler of the world changed");
	MPI_Errhandler_free(&eh);
}

static void info(MPI_Info kept)
{
	char v[64];
	int flag, n;
	MPI_Info d;

	MPI_Info_get(kept, "colour", 63, v, &flag);
	CHECK(flag && strcmp(v, "green") == 0, "info: %s", v);
	MPI_Info_dup(kept, &d);
	MPI_Info_set(d, "size", "large");
	MPI_Info_get_nkeys(d, &n);
	CHECK(n == 2, "%d keys", n);
	MPI_Info_delete(d, "colour");
	MPI_Info_get(d, "colour", 63, v, &flag);
	CHECK(!flag, "deleted key found");
	MPI_Info_free(&d);
}

int main(int argc, char **argv)
{
	MPI_Comm quiet, mine, child;
	MPI_Errhandler eh;
	MPI_Info kept;
	int key, plain, code, cls;
	char text[MPI_MAX_ERROR_STRING];

	begin(argc, argv);
	MPI_Comm_dup(MPI_COMM_WORLD, &quiet);
	MPI_Comm_dup(MPI_COMM_WORLD, &mine);
	MPI_Comm_set_errhandler(quiet, MPI_ERRORS_RETURN);
	MPI_Comm_create_errhandler(handler, &eh);
	MPI_Comm_set_errhandler(mine, eh);
	MPI_Errhandler_free(&eh);
	MPI_Info_create(&kept);
	MPI_Info_set(kept, "colour", "green");
	MPI_Comm_create_keyval(copy_fn, delete_fn, &key, (void *)0x1234);
	MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, MPI_COMM_NULL_DELETE_FN, &plain, NULL);
	MPI_Comm_set_attr(quiet, key, (void *)0x1000);
	MPI_Comm_set_attr(quiet, plain, (void *)0x2000);
	MPI_Add_error_class(&cls);
	MPI_Add_error_code(cls, &code);
	MPI_Add_error_string(code, "out of cheese");
	for (long k = 0; k < steps; k++) {
		int len, c2;

		MPI_Comm_dup(quiet, &child);
		expect(child, key, (void *)0x1001);
		expect(child, plain, NULL);
		expect(quiet, key, (void *)0x1000);
		expect(quiet, plain, (void *)0x2000);
		MPI_Comm_set_attr(child, key, (void *)0x3000); /* replaces: one delete */
		MPI_Comm_free(&child);                         /* another */
		CHECK(copies == k + 1 && deletes == 2 * (k + 1), "%d copies, %d deletes at %ld", copies, deletes, k);
		predefined();
		errors(quiet, mine);
		info(kept);
		MPI_Error_string(code, text, &len);
		CHECK(strcmp(text, "out of cheese") == 0, "text \"%s\"", text);
		MPI_Error_class(code, &c2);
		CHECK(c2 == cls, "class %d, not %d", c2, cls);
		MPI_Barrier(MPI_COMM_WORLD);
		end_step(k);
	}
	mix_long(copies * 1000 + deletes);
	MPI_Comm_delete_attr(quiet, key);
	CHECK(deletes == 2 * steps + 1, "delete_attr did not call back");
	MPI_Comm_free_keyval(&key);
	CHECK(key == MPI_KEYVAL_INVALID, "freed keyval");
	finish();
}
