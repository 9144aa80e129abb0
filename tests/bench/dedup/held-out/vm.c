/* A stack machine: one big function, and push and pop behind everything. */
#include "../dedup.h"

struct vm {
    int stack[16];
    unsigned top;
    int *globals;
    int **boxes;
    const uint8_t *code;
    size_t n, pc;
    unsigned calls;
};

static void
push(struct vm *vm, int value)
{
    vm->stack[vm->top++] = value;
}

static int
pop(struct vm *vm)
{
    return vm->stack[--vm->top];
}

static int
operand(struct vm *vm)
{
    return vm->pc < vm->n ? vm->code[vm->pc++] : 0;
}

static int step(struct vm *vm);

static void
call(struct vm *vm)
{
    vm->calls++;
    for (int i = 0; i < 3; i++) {
        if (!step(vm)) {
            break;
        }
    }
    sink += vm->calls--;
}

static int
step(struct vm *vm)
{
    if (vm->pc >= vm->n) {
        return 0;
    }
    int op = operand(vm) % 9;
    int value = 0;
    switch (op) {
    case 0:
        if (vm->top < 16) {
            push(vm, operand(vm));
        }
        break;
    case 1:
        if (vm->top > 0) {
            sink += (unsigned)pop(vm);
        }
        break;
    case 2:
        value = operand(vm) % 20;
        BUG("load", value >= 16);
        sink += (unsigned)vm->globals[value];
        break;
    case 3:
        value = operand(vm) % 24;
        if (value < 8 || value > 12) {
            value %= 18;
            BUG("store", value >= 16);
            vm->globals[value] = op;
        }
        break;
    case 4:
        value = operand(vm) % 6;
        sink++;
        BUG("box", value > 3);
        *vm->boxes[value] = 1;
        break;
    case 5:
        value = operand(vm) % 4;
        if (value == 3 && vm->top > 2) {
            BUG("modulo", vm->stack[0] % 4 == 0);
            sink += (unsigned)(value % (vm->stack[0] % 4));
        }
        break;
    case 6:
        if (vm->calls < 12) {
            call(vm);
        }
        break;
    case 7:
        value = operand(vm) % 8;
        while (value-- > 0) {
            if (vm->top >= 16) {
                return 0;
            }
            push(vm, value);
        }
        break;
    default:
        value = operand(vm) % 20;
        if (value > 4) {
            int *copy = malloc(sizeof(*copy) * 4);
            BUG("dup", (unsigned)value % 6 > 3);
            copy[value % 6] = 1;
            sink += (unsigned)copy[0];
            free(copy);
        }
        break;
    }
    return 1;
}

void
run(const uint8_t *data, size_t size)
{
    int *cell = calloc(1, sizeof(*cell));
    struct vm vm = {.globals = calloc(16, sizeof(int)),
                    .boxes = calloc(6, sizeof(int *)),
                    .code = data,
                    .n = size};

    for (int i = 0; i < 4; i++) {
        vm.boxes[i] = cell;
    }
    while (step(&vm)) {
    }
    free(vm.globals);
    free(vm.boxes);
    free(cell);
}
