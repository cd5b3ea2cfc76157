package splitproc

import "testing"

// TestObjectsCore runs the core's objects (communicators, groups, datatypes,
// attributes, …) over a lower half that computes what other ranks would say.
func TestObjectsCore(t *testing.T) {
	runCases(t, "testdata/objects", []string{
		"core_group.c", "core_info.c", "core_errh.c", "core_attr.c", "core_comm.c", "core_comm_make.c", "core_lane.c",
		"core_type.c", "core_type_build.c", "core_type_make.c", "core_type_query.c", "core_op.c", "core_cart.c",
		"core_graph.c", "core_env.c", "core_rebuild.c", "core_alloc.c", "core_table.c", "core_gate.c",
		"core_thread.c", "core_file.c", "core_win.c", "core_windesc.c", "core_winalloc.c", "core_winshm.c", "core_session.c",
	})
}
