/* C++20: a coroutine is a task of the pool; between its steps it holds no worker.
 *     c++ -std=c++20 coroutines.cpp $(pkg-config --cflags --libs errand) */
#include <errand.hpp>

#include <iostream>

using namespace std::chrono_literals;

static errand::task<int> price_of(errand::pool &pool, int item)
{
    co_await pool.sleep(5ms); /* stands for a request */
    if (item < 0) throw std::invalid_argument("no such item");
    co_return item * 10;
}

static errand::task<int> basket(errand::pool &pool)
{
    int sum = 0;
    for (int item = 1; item <= 3; item++) sum += co_await price_of(pool, item);
    try {
        sum += co_await price_of(pool, -1);
    } catch (const std::invalid_argument &e) {
        std::cout << "left out: " << e.what() << '\n';
    }
    co_return sum;
}

int main()
{
    errand::pool pool;
    int sum = pool.submit(basket(pool)).timeout(60s).get();
    std::cout << "the basket costs " << sum << '\n';
    return sum != 60;
}
