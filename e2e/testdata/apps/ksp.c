/* ksp: PETSc solves one sparse system after the other (GMRES with block Jacobi), the next from the last's solution.
 * flags: -std=gnu11 -Wall -I/usr/include/petsc -I/usr/lib/petscdir/petsc3.18/x86_64-linux-gnu-real/include -lpetsc_real */
#include <petscdmda.h>
#include <petscksp.h>

#define EDGE 48

static PetscErrorCode assemble(DM grid, Mat a)
{
	DMDALocalInfo at;

	PetscCall(DMDAGetLocalInfo(grid, &at));
	for (PetscInt j = at.ys; j < at.ys + at.ym; j++)
		for (PetscInt i = at.xs; i < at.xs + at.xm; i++) {
			MatStencil row = {.i = i, .j = j}, col[5];
			PetscScalar value[5];
			PetscInt n = 0;
			const int step[4][2] = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}};

			for (int s = 0; s < 4; s++) {
				PetscInt x = i + step[s][0], y = j + step[s][1];
				if (x < 0 || y < 0 || x >= EDGE || y >= EDGE)
					continue;
				col[n] = (MatStencil){.i = x, .j = y};
				value[n++] = -1.0 - 0.1 * step[s][0];
			}
			col[n] = row;
			value[n++] = 4.05;
			PetscCall(MatSetValuesStencil(a, 1, &row, n, col, value, INSERT_VALUES));
		}
	PetscCall(MatAssemblyBegin(a, MAT_FINAL_ASSEMBLY));
	return MatAssemblyEnd(a, MAT_FINAL_ASSEMBLY);
}

static PetscErrorCode run(PetscInt steps)
{
	DM grid;
	Mat a;
	Vec x, b;
	KSP ksp;
	PetscReal norm = 0;
	PetscInt its, all = 0;

	PetscCall(DMDACreate2d(PETSC_COMM_WORLD, DM_BOUNDARY_NONE, DM_BOUNDARY_NONE, DMDA_STENCIL_STAR, EDGE, EDGE,
			       PETSC_DECIDE, PETSC_DECIDE, 1, 1, NULL, NULL, &grid));
	PetscCall(DMSetUp(grid));
	PetscCall(DMCreateMatrix(grid, &a));
	PetscCall(assemble(grid, a));
	PetscCall(DMCreateGlobalVector(grid, &x));
	PetscCall(VecDuplicate(x, &b));
	PetscCall(VecSet(x, 1.0));
	PetscCall(KSPCreate(PETSC_COMM_WORLD, &ksp));
	PetscCall(KSPSetOperators(ksp, a, a));
	PetscCall(KSPSetFromOptions(ksp));
	for (PetscInt k = 0; k < steps; k++) {
		PetscCall(VecCopy(x, b));
		PetscCall(VecShift(b, 0.001 * (k % 7)));
		PetscCall(KSPSolve(ksp, b, x));
		PetscCall(KSPGetIterationNumber(ksp, &its));
		PetscCall(VecNorm(x, NORM_2, &norm));
		PetscCall(VecScale(x, EDGE / norm));
		all += its;
		if (k % 50 == 49)
			PetscCall(PetscPrintf(PETSC_COMM_WORLD, "step %d\n", (int)k));
	}
	PetscCall(PetscPrintf(PETSC_COMM_WORLD, "RESULT ksp %d iterations, norm %.15g\n", (int)all, (double)norm));
	PetscCall(KSPDestroy(&ksp));
	PetscCall(VecDestroy(&b));
	PetscCall(VecDestroy(&x));
	PetscCall(MatDestroy(&a));
	return DMDestroy(&grid);
}

int main(int argc, char **argv)
{
	PetscInt steps = 100;

	PetscCall(PetscInitialize(&argc, &argv, NULL, NULL));
	PetscCall(PetscOptionsGetInt(NULL, NULL, "-steps", &steps, NULL));
	PetscCall(run(steps));
	return PetscFinalize();
}
