/* SPDX-License-Identifier: Apache-2.0
 * urcu-qsbr.h - what qsbr.c needs of liburcu, which is not what is checked: one reader, which is quiescent
 * when it says so. Its word grows, and a grace period waits until it has grown. */
#ifndef WEFT_TESTS_GENMC_URCU_QSBR_H
#define WEFT_TESTS_GENMC_URCU_QSBR_H

static _Atomic(uint32_t) model_quiescent;

static inline void rcu_register_thread(void) {}
static inline void rcu_unregister_thread(void) {}
static inline void rcu_thread_online(void) {}

static inline void rcu_quiescent_state(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    atomic_store_explicit(&model_quiescent, 1, memory_order_release);
}

static inline void rcu_thread_offline(void)
{
    rcu_quiescent_state();
}

static inline void synchronize_rcu(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    AWAIT(atomic_load_explicit(&model_quiescent, memory_order_acquire));
}

#endif
